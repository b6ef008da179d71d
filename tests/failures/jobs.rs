//! The jobs these tests run.

use std::sync::{Arc, Mutex};

use kiq::Data;

/// What is left behind, in order.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[kiq::job]
pub async fn note(text: String, notes: Data<Notes>) {
    notes.add(text);
}
