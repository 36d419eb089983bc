//! The administrator's tables of the city and the import of past tickets.

use super::installation::{is_good, open};
use super::pages::{administrator, picture};
use super::{appears, click, is_accessible, says, server, shows};
use qingting_tests::peers::browser::Browser;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use serde_json::{Value, json};

/// Chooses a file with this in it.
fn choose(page: &Browser, server: &Server, field: &str, name: &str, text: &str) {
    let path = server.home().join(name);
    std::fs::write(&path, text).expect("writable");
    page.type_into(field, &path.display().to_string());
}

fn units(server: &Server) -> Vec<Value> {
    let units = server.api_get("/api/v1/units?limit=500")["units"].clone();
    units.as_array().cloned().unwrap_or_default()
}

fn has_unit(server: &Server, name: &str) -> bool {
    units(server).iter().any(|unit| unit["name"] == name)
}

#[test]
fn the_citys_units_are_added_renamed_and_retired_without_a_restart() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = administrator(&server);
    open(&page, "城市资料");
    appears(&page, "profile-rows");
    shows(&page, "profile-rows", "市城市管理局");
    shows(&page, "part-categories", "行");
    is_good(&page, "profile", "承办单位", "Handling unit");

    // One more, one retired, in one change.
    click(&page, "profile-new");
    appears(&page, "profile-cell-0");
    page.type_into("profile-cell-0", "901");
    page.type_into("profile-cell-1", "市数据局");
    page.type_into("profile-cell-2", "数据局");
    click(&page, "profile-keep");
    let press = |label: &str| {
        let script = format!(
            "const one = document.querySelector('[aria-label=\"{label}\"]'); one?.click(); return one !== null"
        );
        page.wait_until(label, &script);
    };
    press("停用 市住房和城乡建设局");
    says(&page, "有改动还没有保存");
    is_accessible(&page);
    picture(&page, "profile-edit-zh");
    click(&page, "profile-check-edits");
    shows(&page, "profile-outcome", "新增 1，修改 1，去掉 0；还没有保存");
    assert!(!has_unit(&server, "市数据局"));
    click(&page, "profile-save");
    shows(&page, "profile-outcome", "已保存，立即生效");
    assert!(has_unit(&server, "市数据局") && !has_unit(&server, "市住房和城乡建设局"));
    shows(&page, "part-units", "本页保存");
    // It stays retired, and comes back when somebody says so.
    press("恢复 市住房和城乡建设局");
    click(&page, "profile-save");
    wait_until("it is offered again", || has_unit(&server, "市住房和城乡建设局").then_some(()));

    // A file with mistakes changes nothing, and says where each is.
    let wrong = "编码,名称,别名,职责,辖区\n1,城管局,,,\n1,住建局,,,\n3,,,,\n";
    choose(&page, &server, "profile-file", "units.csv", wrong);
    click(&page, "profile-import");
    shows(&page, "mistakes", "第 3 行，编码");
    shows(&page, "mistakes", "没有填写");
    says(&page, "表中有错误，没有任何改动");
    is_accessible(&page);
    picture(&page, "profile-mistakes-zh");
    assert!(has_unit(&server, "市数据局"));
}

#[test]
fn past_tickets_come_in_from_a_file_after_a_check() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = administrator(&server);
    open(&page, "导入工单");
    appears(&page, "past-file");
    let wrong =
        "工单编号,受理时间,标题\nA1,2025-03-02 09:00,路灯不亮\nA1,2025-03-02,井盖\n,2025-03-02,x\n";
    choose(&page, &server, "past-file", "旧工单-错.csv", wrong);
    click(&page, "past-import");
    shows(&page, "past-state", "有错误，没有导入");
    shows(&page, "mistakes", "与第 2 行编号相同");
    shows(&page, "mistakes", "第 4 行");
    is_good(&page, "past-mistakes", "错误", "Mistakes");

    let rows: String = (0..3_000).map(|n| format!("B{n},2025-03-02 09:00,路灯不亮\n")).collect();
    let good = format!("工单编号,受理时间,标题\n{rows}");
    choose(&page, &server, "past-file", "旧工单.csv", &good);
    click(&page, "past-check");
    shows(&page, "past-counts", "将新增 3000 件，已有 0 件");
    let found = || server.api_get("/api/v1/tickets?number=B7")["tickets"].clone();
    assert_eq!(found(), json!([]));
    click(&page, "past-import");
    shows(&page, "past-counts", "新增 3000 件，已有 0 件");
    assert_eq!(found()[0]["status"], "imported");
    click(&page, "past-import");
    shows(&page, "past-counts", "新增 0 件，已有 3000 件");
    is_good(&page, "past", "已有 3000 件", "3000 known");
}
