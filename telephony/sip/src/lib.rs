//! SIP messages, RFC 3261/6026 transactions as pure machines, dialogs, UDP and TCP transports.
