//! Spans as OTLP has them (opentelemetry-proto 1.x, `trace.proto`). Pure.

use super::span::{Moment, Parent, Span, Value, root};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;
use proto::span::SpanKind;
use proto::status::StatusCode;
use qingting_common::CallId;

/// The trace is sampled (W3C Trace Context §3.2.2.5).
const SAMPLED: u32 = 1;

/// A request with these spans of a server of this name, as it goes over the wire.
pub fn request(server: &str, spans: Vec<(CallId, Span)>) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = [
        ("service.name", "qingting"),
        ("service.version", version),
        ("service.instance.id", server),
    ];
    let attributes = attributes.map(|(key, value)| text(key, value)).to_vec();
    let scope = InstrumentationScope {
        name: "qingting".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(|(call, span)| encoded(call, span)).collect();
    let scope_spans =
        vec![proto::ScopeSpans { scope: Some(scope), spans, ..proto::ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_spans =
        vec![proto::ResourceSpans { resource, scope_spans, ..proto::ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// How many spans the collector took and does not want; none where its answer is no OTLP.
pub fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    u64::try_from(rejected).unwrap_or_default()
}

fn encoded(call: CallId, span: Span) -> proto::Span {
    let (parent, kind) = match span.parent {
        Parent::Nothing => (Vec::new(), SpanKind::Server),
        Parent::Call => (root(call).to_be_bytes().to_vec(), SpanKind::Internal),
        Parent::Span(id) => (id.to_be_bytes().to_vec(), SpanKind::Internal),
    };
    let status = span.failure.map(|failure| proto::Status {
        message: failure.to_owned(),
        code: StatusCode::Error.into(),
    });
    let attributes = span.attributes.into_iter();
    let event = |(name, Moment(at)): (&str, Moment)| proto::span::Event {
        time_unix_nano: at,
        name: name.to_owned(),
        ..proto::span::Event::default()
    };
    proto::Span {
        trace_id: call.0.as_bytes().to_vec(),
        span_id: span.id.unwrap_or_default().to_be_bytes().to_vec(),
        parent_span_id: parent,
        flags: SAMPLED,
        name: span.name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: span.from.0,
        end_time_unix_nano: span.to.0,
        attributes: attributes.map(|(key, value)| attribute(key, value)).collect(),
        events: span.events.noted.into_iter().map(event).collect(),
        dropped_events_count: span.events.dropped,
        status,
        ..proto::Span::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    use any_value::Value as Any;
    let value = match value {
        Value::Word(word) => Any::StringValue(word.to_owned()),
        Value::Configured(name) => Any::StringValue(name.as_ref().to_owned()),
        Value::Count(count) => Any::IntValue(count),
        Value::Ratio(ratio) => Any::DoubleValue(ratio),
        Value::Flag(flag) => Any::BoolValue(flag),
    };
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::Configured(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::traces::span::Events;
    use uuid::Uuid;

    #[test]
    fn ids_parents_and_values_are_those_of_the_call() {
        let call = CallId::new(Uuid::parse_str("0192f0c1-2b3c-7d4e-8f50-123456789abc").unwrap());
        let mut events = Events::default();
        events.note("hold", Moment(15));
        let whole = Span {
            id: Some(root(call)),
            parent: Parent::Nothing,
            events,
            ..Span::new("call", Moment(10), Moment(20))
        };
        let part = Span { id: Some(5), ..Span::new("queue.wait", Moment(11), Moment(12)) }
            .with("qingting.queue", Value::Configured("综合".into()))
            .with("qingting.wait_ms", 1_u64)
            .with("qingting.mos", 4.25)
            .with("qingting.answered", true)
            .failed(Some("it was given up"));
        let inner =
            Span { parent: Parent::Span(5), ..Span::new("queue.offer", Moment(11), Moment(12)) };
        let body = request("server-1", [whole, part, inner].map(|span| (call, span)).to_vec());
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let of_server = &request.resource_spans[0];
        let resource = format!("{:?}", of_server.resource);
        for word in ["service.name", "qingting", "service.instance.id", "server-1"] {
            assert!(resource.contains(word), "{resource}");
        }
        let [whole, part, inner] = of_server.scope_spans[0].spans.as_slice() else {
            panic!("three spans")
        };
        let trace = call.0.as_bytes().as_slice();
        assert!([whole, part, inner].iter().all(|span| span.trace_id == trace));
        assert_eq!(whole.span_id, trace[8..]);
        assert!(whole.parent_span_id.is_empty());
        assert_eq!((whole.kind(), part.kind()), (SpanKind::Server, SpanKind::Internal));
        assert_eq!((whole.start_time_unix_nano, whole.end_time_unix_nano), (10, 20));
        assert_eq!((whole.events[0].name.as_str(), whole.events[0].time_unix_nano), ("hold", 15));
        assert_eq!(part.parent_span_id, whole.span_id);
        assert_eq!(inner.parent_span_id, part.span_id);
        let values = part.attributes.iter().map(|of| of.value.clone().unwrap().value.unwrap());
        use any_value::Value as Any;
        let expected = [
            Any::StringValue("综合".to_owned()),
            Any::IntValue(1),
            Any::DoubleValue(4.25),
            Any::BoolValue(true),
        ];
        assert_eq!(values.collect::<Vec<_>>(), expected);
        assert_eq!(part.status.as_ref().unwrap().code(), StatusCode::Error);
        assert_eq!(whole.status, None);
    }

    #[test]
    fn a_partly_taken_batch_is_counted_and_nonsense_is_not() {
        let partial = opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess {
            rejected_spans: 3,
            error_message: "too old".to_owned(),
        };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        assert_eq!(rejected(&answer.encode_to_vec()), 3);
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"<html>thank you</html>"), 0);
    }
}
