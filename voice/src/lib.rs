//! Mandarin text-to-speech: front end and Kokoro.
