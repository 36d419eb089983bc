//! Satisfaction callbacks (智能回访). Pure: no sockets, no clock, no database.

pub mod detector;
