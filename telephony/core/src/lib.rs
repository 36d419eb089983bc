//! Call machine and SDP offer/answer. Pure: no sockets, no clock, no runtime.
