//! `qingting admin-password`: a new administrator's password, also while the server runs.

use crate::cli::ConfigFile;
use crate::config::Config;
use crate::{database, home, serve};
use anyhow::Result;

pub fn run(args: &ConfigFile) -> Result<()> {
    let config = Config::load(&home::path(args))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let password = runtime.block_on(async {
        let store = database::open_existing(&config).await?;
        let password = serve::new_admin_password(&store).await?;
        store.audit("admin", "admin.password", "command line").await?;
        store.close().await;
        anyhow::Ok(password)
    })?;
    println!("{password}");
    Ok(())
}
