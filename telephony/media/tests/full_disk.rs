//! A recording that could not be begun for want of space is begun once there is some.

use qingting_media::wav::WavFile;
use qingting_recording::Channels;

/// The soft limit of file sizes: to this process, a full disk.
#[allow(unsafe_code, reason = "the limit's signal can only be ignored through libc")]
fn limit_file_bytes(bytes: libc::rlim_t) {
    // SAFETY: a plain structure is read and written; the signal is only ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

#[test]
fn a_recording_begins_after_the_disk_was_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    limit_file_bytes(0);
    let refused = WavFile::create(&path, Channels::Stereo);
    limit_file_bytes(libc::RLIM_INFINITY);
    assert!(refused.is_err());
    let mut wav = WavFile::create(&path, Channels::Stereo).unwrap();
    wav.write_at(0, &[1, 0, 2, 0]).unwrap();
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 1);
}
