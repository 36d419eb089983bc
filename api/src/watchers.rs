//! Keys of who watches the server: **they open the metrics also while the database does not answer**, which is when
//! somebody has to see them.

use qingting_store::{KeyInfo, Role, Store, StoreError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Keys that are remembered; a city has a few.
const REMEMBERED_MAX: usize = 16;

type Digests = HashMap<[u8; 32], KeyInfo>;

/// The keys of the role `metrics` that were right when the database was asked last.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Option<(watch::Receiver<u64>, Digests)>>);

impl Watchers {
    /// The key of that secret, as the database says, or as it said last where it does not answer; it is not asked while
    /// it is known to be away.
    pub(crate) async fn verified(
        &self,
        store: &Store,
        secret: &str,
        is_away: bool,
    ) -> Result<Option<KeyInfo>, StoreError> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let known = if is_away { self.known(store, &digest) } else { None };
        if known.is_some() {
            return Ok(known);
        }
        let found = store.verify_key(secret).await;
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = fresh(&mut remembered, store);
        match found {
            Ok(Some(key)) => {
                if key.role == Role::Metrics && keys.len() < REMEMBERED_MAX {
                    keys.insert(digest, key.clone());
                }
                Ok(Some(key))
            }
            Ok(None) => {
                keys.remove(&digest);
                Ok(None)
            }
            Err(error) => keys.get(&digest).cloned().map(Some).ok_or(error),
        }
    }

    fn known(&self, store: &Store, digest: &[u8; 32]) -> Option<KeyInfo> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fresh(&mut remembered, store).get(digest).cloned()
    }
}

/// What is remembered. A key that this server has revoked opens nothing more.
fn fresh<'a>(
    remembered: &'a mut Option<(watch::Receiver<u64>, Digests)>,
    store: &Store,
) -> &'a mut Digests {
    let (changes, keys) = remembered.get_or_insert_with(|| (store.credentials(), Digests::new()));
    if changes.has_changed().unwrap_or(true) {
        changes.borrow_and_update();
        keys.clear();
    }
    keys
}
