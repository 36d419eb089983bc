//! Streaming Mandarin recognition: worker process, wire protocol, client, VAD, whisper, evaluation.
