//! RTP, RTCP, jitter buffer, G.711, concealment, prompts, recorder and the media shards.
