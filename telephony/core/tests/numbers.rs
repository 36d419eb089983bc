//! Numbers in every way of writing.

use proptest::prelude::*;
use qingting_core::numbers::{
    AreaCode, Emergency, Number, NumberError, NumberKind, TrunkForm, TrunkRule,
};

fn home() -> Option<AreaCode> {
    AreaCode::new("0571")
}

fn read(text: &str) -> Number {
    Number::read(text, home().as_ref()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn ways_to_write_one_number_read_as_equal() {
    let same: [&[&str]; 9] = [
        &[
            "13800138000",
            "+8613800138000",
            "008613800138000",
            "8613800138000",
            "013800138000",
            "138-0013-8000",
            "138 0013 8000",
            "１３８００１３８０００",
            "tel:+86-138-0013-8000",
            "tel:13800138000;phone-context=+86",
            "TEL:13800138000;phone-context=ims.example",
            "+86013800138000",
        ],
        &[
            "01062345678",
            "+861062345678",
            "+8601062345678",
            "861062345678",
            "(010)62345678",
            "010-6234 5678",
            "tel:01062345678;phone-context=+86",
            "tel:+86-10-6234-5678;ext=8",
        ],
        &[
            "057187654321",
            "87654321",
            "+8657187654321",
            "tel:87654321;phone-context=+86571",
            "8765-4321",
        ],
        &[
            "12345",
            "057112345",
            "+8657112345",
            "+8612345",
            "tel:12345;phone-context=+86",
            "tel:12345;phone-context=+86571",
        ],
        &["01012345", "+861012345", "tel:12345;phone-context=+8610"],
        &["110", "0571110", "+86110"],
        &["4008123123", "400-812-3123", "+864008123123"],
        &["00442071234567", "+442071234567", "tel:+44-20-7123-4567"],
        &["95588", "+8695588"],
    ];
    for ways in same {
        let first = read(ways[0]);
        assert_eq!(first.national(), ways[0]);
        for way in ways {
            assert_eq!(read(way).national(), ways[0], "{way}");
            assert_eq!(read(way), first, "{way}");
        }
    }
}

#[test]
fn kinds_are_told_apart() {
    let kind = |text| read(text).kind();
    assert_eq!(kind("110"), NumberKind::Emergency(Emergency::Police));
    assert_eq!(kind("122"), NumberKind::Emergency(Emergency::Traffic));
    for short in ["114", "12345", "10086", "12315", "95588", "9501234", "96315", "116114"] {
        assert_eq!(kind(short), NumberKind::Short, "{short}");
    }
    assert_eq!(kind("010120"), NumberKind::Short, "120 of another city");
    assert_eq!(kind("19912345678"), NumberKind::Mobile);
    assert_eq!(kind("02552345678"), NumberKind::Landline);
    assert_eq!(kind("+85221234567"), NumberKind::International);
    assert_eq!(read("02587654321").area(), AreaCode::new("025"));
    assert_eq!(read("13800138000").area(), None);
}

#[test]
fn what_cannot_be_dialled_is_refused_without_repeating_it() {
    let refused = |text| Number::read(text, None).expect_err(text);
    for (text, error) in [
        ("", NumberError::Empty),
        ("+", NumberError::Empty),
        ("anonymous", NumberError::NotDigits),
        ("138+0013", NumberError::NotDigits),
        ("87654321", NumberError::NoArea),
        ("12", NumberError::Unknown),
        ("1234567", NumberError::Unknown),
        ("12345678901", NumberError::Unknown),
        ("010", NumberError::Unknown),
        ("04002000000", NumberError::Unknown),
        ("+00123456789", NumberError::Unknown),
        ("+1234567890123456", NumberError::Unknown),
    ] {
        assert_eq!(refused(text), error, "{text}");
    }
    assert_eq!(refused(&"1".repeat(200)), NumberError::NotDigits);
    assert!(!format!("{:?}", read("13800138000")).contains("138"));
}

#[test]
fn a_trunk_gets_the_form_that_it_wants() {
    let rule =
        |form, prefix: &str, local_area| TrunkRule { form, prefix: prefix.into(), local_area };
    let national = rule(TrunkForm::National, "", None);
    let full = rule(TrunkForm::E164, "", None);
    let bare = rule(TrunkForm::E164WithoutPlus, "", None);
    let local = rule(TrunkForm::National, "9", home());
    for (number, forms) in [
        ("13800138000", ["13800138000", "+8613800138000", "8613800138000", "913800138000"]),
        ("87654321", ["057187654321", "+8657187654321", "8657187654321", "987654321"]),
        ("01062345678", ["01062345678", "+861062345678", "861062345678", "901062345678"]),
        ("12345", ["12345", "12345", "12345", "912345"]),
        ("01012345", ["01012345", "+861012345", "861012345", "901012345"]),
        ("120", ["120", "120", "120", "9120"]),
        ("010110", ["010110", "010110", "010110", "9010110"]),
        ("+442071234567", ["00442071234567", "+442071234567", "442071234567", "900442071234567"]),
    ] {
        let number = read(number);
        assert_eq!([&national, &full, &bare, &local].map(|rule| rule.dial(&number)), forms);
    }
}

#[test]
fn area_codes_are_whole() {
    for code in ["010", "020", "0571"] {
        assert_eq!(AreaCode::new(code).map(|area| area.as_str().to_owned()), Some(code.into()));
    }
    for wrong in ["", "10", "01", "0571x", "05711", "0100", "012"] {
        assert_eq!(AreaCode::new(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    /// No text breaks the reader, and what it reads it reads again from each of its own forms.
    #[test]
    fn whatever_is_read_reads_back(text in "(tel:)?[+0-9０-９ \\-();=a-z中]{0,24}|[0-9]{3,13}|(\\+86|00|86|0)[0-9]{3,13}") {
        let home = home();
        if let Ok(number) = Number::read(&text, home.as_ref()) {
            prop_assert_eq!(Number::read(&number.national(), home.as_ref()), Ok(number.clone()));
            if let Some(full) = number.e164() {
                prop_assert_eq!(Number::read(&full, home.as_ref()), Ok(number));
            }
        }
    }
}
