//! Master keys come and go; recordings stay.

mod common;

use common::{bytes, folder, keys, mono, speak};
use qingting_recording::{Error, Reader, rewrap};

#[test]
fn a_key_that_is_missing_is_named() {
    let folder = folder();
    let old = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &old);
    writer.finish().unwrap();
    let other = keys(&folder, &[2, 3]);
    let error = Reader::open(&path, &other).unwrap_err();
    assert!(matches!(error, Error::UnknownKey { .. }));
    let words = error.to_string();
    for said in [old.newest().to_string(), other.newest().to_string(), "key file".into()] {
        assert!(words.contains(&said), "{words}");
    }
}

#[test]
fn the_newest_key_wraps_and_old_ones_still_open() {
    let folder = folder();
    let old = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &old);
    speak(&mut writer, 0, 9_000);
    let head = writer.finish().unwrap().head;
    let both = keys(&folder, &[2, 1]);
    let new = keys(&folder, &[2]);
    let before = bytes(&path);
    assert_eq!(Reader::open(&path, &both).unwrap().key_id(), old.newest());

    assert!(rewrap(&path, &both).unwrap());
    assert!(!rewrap(&path, &both).unwrap(), "there is nothing left to do");
    let mut reader = Reader::open(&path, &new).unwrap();
    assert_eq!((reader.key_id(), reader.verify().unwrap().head), (new.newest(), head));
    assert!(matches!(Reader::open(&path, &old), Err(Error::UnknownKey { .. })));
    assert_eq!(bytes(&path)[184..], before[184..], "the audio is not touched");

    let back = keys(&folder, &[1, 2]);
    assert!(rewrap(&path, &back).unwrap());
    assert_eq!(Reader::open(&path, &old).unwrap().verify().unwrap().head, head);
}

#[test]
fn a_change_of_keys_that_was_cut_short_is_finished_by_the_next() {
    let folder = folder();
    let old = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &old);
    writer.finish().unwrap();
    drop(writer);
    let before = bytes(&path);
    let both = keys(&folder, &[2, 1]);
    rewrap(&path, &both).unwrap();
    let after = bytes(&path);
    // The new slot is written, in part or whole, the old one not cleared.
    for written in [20, 68] {
        let mut half = before.clone();
        half[116..116 + written].copy_from_slice(&after[116..116 + written]);
        std::fs::write(&path, half).unwrap();
        assert!(Reader::open(&path, &old).is_ok() && Reader::open(&path, &both).is_ok());
        assert!(rewrap(&path, &both).unwrap());
        assert!(Reader::open(&path, &keys(&folder, &[2])).is_ok());
        assert!(matches!(Reader::open(&path, &old), Err(Error::UnknownKey { .. })));
    }
}

#[test]
fn a_recording_that_is_being_made_keeps_its_key() {
    let folder = folder();
    let old = keys(&folder, &[1]);
    let (path, writer) = mono(&folder, "call.qtr", &old);
    let both = keys(&folder, &[2, 1]);
    assert!(matches!(rewrap(&path, &both), Err(Error::InUse)));
    drop(writer);
    assert!(rewrap(&path, &both).unwrap());
}
