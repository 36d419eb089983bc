//! What makes two messages one transaction (RFC 3261 §17.1.3, §17.2.3).

use crate::message::{Method, Request, Response, Via};

/// The key of a request's server transaction; ACK has that of its INVITE. For CANCEL give the
/// INVITE's method to find what it cancels.
///
/// Without the magic cookie the branch identifies nothing: then everything that a retransmission
/// repeats takes its place.
pub fn server_key(request: &Request, method: &Method) -> String {
    let method = if *method == Method::Ack { &Method::Invite } else { method };
    let Via { host, port, .. } = &request.via;
    let host = host.to_ascii_lowercase();
    match request.via.unique_branch() {
        Some(branch) => format!("{branch}\n{host}\n{}\n{method}", port.unwrap_or(5060)),
        None => format!(
            "{host}\n{}\n{}\n{}\n{}\n{}\n{}\n{method}",
            port.unwrap_or(5060),
            request.via.params.value("branch").unwrap_or(""),
            request.call_id,
            request.from.tag().unwrap_or(""),
            request.cseq.number,
            request.uri,
        ),
    }
}

/// The key of the client transaction that a response belongs to: our branch and the method.
pub fn client_key(response: &Response) -> Option<String> {
    let branch = response.via.unique_branch()?;
    Some(key_of_branch(branch, &response.cseq.method))
}

/// The key under which a request of ours waits for responses.
pub(crate) fn key_of_branch(branch: &str, method: &Method) -> String {
    format!("{branch}\n{method}")
}

/// Equal for copies of one request that came by different ways (RFC 3261 §8.2.2.2).
pub fn merge_key(request: &Request) -> String {
    let tag = request.from.tag().unwrap_or("");
    format!("{}\n{tag}\n{}\n{}", request.call_id, request.cseq.number, request.cseq.method)
}
