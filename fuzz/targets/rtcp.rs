//! RTCP: a compound says no more than fits in it, and what it says is written and read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_media::rtcp::{Item, RTCP_BYTES_MAX, parse, write_compound};

fuzz_target!(|data: &[u8]| {
    let mut sender = None;
    let mut count = 0;
    let mut failed = false;
    for item in parse(data) {
        assert!(!failed, "nothing comes after an error");
        count += 1;
        match item {
            Ok(Item::SenderReport { ssrc, info }) => sender = Some((ssrc, info)),
            Ok(Item::Block { reporter, block }) => {
                let mut out = [0; RTCP_BYTES_MAX];
                let info = sender.filter(|(ssrc, _)| *ssrc == reporter).map(|(_, info)| info);
                let length = write_compound(&mut out, reporter, "name", info, Some(block), true);
                let items: Vec<Item> =
                    parse(&out[..length]).map(|item| item.expect("ours is whole")).collect();
                let first = match info {
                    Some(info) => Item::SenderReport { ssrc: reporter, info },
                    None => Item::ReceiverReport { ssrc: reporter },
                };
                let block = Item::Block { reporter, block };
                assert_eq!(items, [first, block, Item::Bye { ssrc: reporter }]);
            }
            Ok(_) => {}
            Err(_) => failed = true,
        }
    }
    // The least that says something is a source of a goodbye; an error may be one more.
    assert!(count <= data.len() / 4 + 1, "{count} items");
    let name = String::from_utf8_lossy(data);
    let mut out = [0; RTCP_BYTES_MAX];
    let length = write_compound(&mut out, 7, &name, None, None, false);
    assert!(parse(&out[..length]).all(|item| item.is_ok()), "whatever we are called");
});
