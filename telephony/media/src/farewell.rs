//! The last word to an owner.

use tokio::sync::mpsc;

/// The right to tell the last event, used at the latest when what is over is freed: no owner waits
/// in vain, whatever became of the threads.
#[derive(Debug)]
pub(crate) struct Farewell<E, R: Default> {
    permit: Option<mpsc::OwnedPermit<E>>,
    word: fn(Box<R>) -> E,
}

impl<E, R: Default> Farewell<E, R> {
    pub(crate) fn new(permit: mpsc::OwnedPermit<E>, word: fn(Box<R>) -> E) -> Self {
        Self { permit: Some(permit), word }
    }

    pub(crate) fn tell(&mut self, report: R) {
        if let Some(permit) = self.permit.take() {
            permit.send((self.word)(Box::new(report)));
        }
    }
}

impl<E, R: Default> Drop for Farewell<E, R> {
    fn drop(&mut self) {
        self.tell(R::default());
    }
}
