//! The way to the city's ticket system and back.
