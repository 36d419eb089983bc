//! Text in, text out: what a caller says and what the ticket then holds.

mod support;

use qingting_common::ids::Party;
use qingting_nlu::draft::Field;
use support::{context, shown, utterances};

/// What would stand in the field.
fn read(field: Field, said: &[&str]) -> String {
    let reader = support::reader();
    let said = utterances(said.iter().map(|text| (Party::Caller, *text)));
    shown(&reader.read(&said, &context()), field).map(|tag| tag.value.clone()).unwrap_or_default()
}

fn table(field: Field, rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(said, expected)| (said, expected, read(field, &[said])))
        .filter(|(_, expected, found)| *expected != found)
        .map(|(said, expected, found)| format!("{said} -> {found:?}, expected {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{field:?}\n{}", wrong.join("\n"));
}

#[test]
fn telephones() {
    table(
        Field::Phone,
        &[
            ("我电话幺三八零零幺三八零零零", "13800138000"),
            ("我电话一三八零零一三八零零零", "13800138000"),
            ("号码是13 800 138 000", "13800138000"),
            ("手机138-0013-8000", "13800138000"),
            ("一百三十八零零一三八零零零", "13800138000"),
            ("电话是幺三八三个零一三八零零零一", ""),
            ("电话是幺三八两个零一三八三个零", "13800138000"),
            ("加86 13800138000", "13800138000"),
            ("13800138000 13800138000", "13800138000"),
            ("座机零幺零六二二三三四四五", "01062233445"),
            ("座机零幺零六二二三三四四五五", ""),
            ("他的电话是13800138000", ""),
            ("骗子用13800138000给我打的", ""),
            ("身份证是三三零幺零六幺九九零零幺零幺幺二三四", ""),
            ("就是打进来的这个号", "13912345678"),
            ("不是这个号码", ""),
        ],
    );
}

#[test]
fn a_number_in_groups_over_several_utterances_is_one() {
    let said = ["我电话是幺三八", "嗯零零幺三", "八零零零"];
    assert_eq!(read(Field::Phone, &said), "13800138000");
    let said = ["电话幺三八零零幺三八零零零", "不对最后四位是九零零零"];
    assert_eq!(read(Field::Phone, &said), "13800139000");
}

#[test]
fn times() {
    table(
        Field::OccurredAt,
        &[
            ("昨天晚上八点停的水", "2026-03-10T20:00"),
            ("今天早上就开始了", "2026-03-11"),
            ("今天八点到的", "2026-03-11T08:00"),
            ("昨天八点到的", "2026-03-10"),
            ("昨天晚上十二点", "2026-03-11T00:00"),
            ("昨天夜里两点半", "2026-03-11T02:30"),
            ("前天中午一点一刻", "2026-03-09T13:15"),
            ("上周三下午三点二十分", "2026-03-04T15:20"),
            ("三月五号来过人", "2026-03-05"),
            ("十二月五号来过人", "2025-12-05"),
            ("二零二五年十月一号", "2025-10-01"),
            ("二月三十号", ""),
            ("半小时前", "2026-03-11T14:50"),
            ("两天前", "2026-03-09"),
            ("三个月前", "三个月前"),
            ("这个月初", "这个月初"),
            ("每天晚上八点", ""),
            ("明天下午三点", ""),
            ("今天晚上八点", ""),
            ("我昨天打过电话", ""),
        ],
    );
}

#[test]
fn places() {
    table(
        Field::Place,
        &[
            ("在浙江省杭州市西湖区古荡街道文三路九十号", "浙江省杭州市西湖区古荡街道文三路九十号"),
            ("我住在阳光小区的三栋二单元五零一", "阳光小区三栋二单元五零一"),
            ("我住翡翠湾12号楼3单元", "翡翠湾12号楼3单元"),
            ("人民路和解放路交叉口红灯坏了", "人民路和解放路交叉口"),
            ("我们小区门口的马路上", ""),
            ("村里的路灯坏了", ""),
            ("学校和医院都不管", ""),
            ("三月五号的事情", ""),
            ("手机号是幺三八", ""),
        ],
    );
}

#[test]
fn a_door_said_later_joins_and_a_correction_replaces() {
    assert_eq!(read(Field::Place, &["在阳光小区", "三栋二单元"]), "阳光小区三栋二单元");
    assert_eq!(read(Field::Place, &["阳光小区二栋", "不对是三栋"]), "阳光小区三栋");
    assert_eq!(read(Field::Place, &["阳光小区二栋", "说错了是月亮小区二栋"]), "月亮小区二栋");
}

#[test]
fn emergencies() {
    table(
        Field::Emergency,
        &[
            ("着火了", "119"),
            ("有人晕倒", "120"),
            ("煤气泄漏", "119"),
            ("打人了拿着刀", "110"),
            ("车祸有人受伤", "122"),
            ("有人要跳楼", "110"),
            ("没有着火", ""),
            ("上周着火了已经扑灭", ""),
            ("万一着火怎么办", ""),
            ("消防通道堵了要是着火了跑不出去", ""),
            ("经常有人打架", ""),
        ],
    );
}

#[test]
fn a_title_is_short_and_says_where_and_what() {
    let said = ["喂你好我想反映一下", "我们阳光小区三栋电梯坏了一个星期没人修", "麻烦你们了"];
    assert_eq!(read(Field::Title, &said), "阳光小区三栋电梯坏了一个星期没人修");
    assert_eq!(
        read(Field::Description, &said),
        "我想反映一下，我们阳光小区三栋电梯坏了一个星期没人修，麻烦你们了。"
    );
}

#[test]
fn only_the_caller_fills_fields() {
    let reader = support::reader();
    let said = [(Party::Seat, "我姓王着火了电话13800138000在阳光小区三栋")];
    assert!(reader.read(&utterances(said.into_iter()), &context()).is_empty());
}
