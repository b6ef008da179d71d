//! A job where it was found.

use crate::broker::{JobSet, Place};
use crate::clock::Timestamp;
use crate::job::{Payload, PayloadError};

/// A job where it was found, or what stood there instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Where.
    pub place: Place,
    /// When it is due, is tried again, or died; `None` in a queue.
    pub at: Option<Timestamp>,
    /// The job, or why it is none.
    pub payload: Result<Payload, PayloadError>,
    /// The bytes as stored.
    pub bytes: Vec<u8>,
}

impl Found {
    pub(super) fn new(place: &Place, at: Option<Timestamp>, bytes: Vec<u8>) -> Self {
        Found { place: place.clone(), at, payload: Payload::parse(&bytes), bytes }
    }

    /// Its class; the empty text for what is no job.
    pub fn class(&self) -> &str {
        self.payload.as_ref().map_or("", Payload::class)
    }

    /// Its id; the empty text for what is no job.
    pub fn jid(&self) -> &str {
        self.payload.as_ref().map_or("", |job| job.jid().as_str())
    }

    /// The queue it is in, came from, or will go to.
    pub fn queue(&self) -> Option<String> {
        match &self.place {
            Place::Queue(name) => Some(name.clone()),
            Place::Set(_) => self.payload.as_ref().ok().and_then(Payload::queue),
        }
    }

    /// The class and the message of its last failure.
    pub fn error(&self) -> Option<(String, String)> {
        let job = self.payload.as_ref().ok()?;
        let class: String = job.get("error_class")?;
        Some((class, job.get("error_message").unwrap_or_default()))
    }

    /// What last happened to it: it failed (retries, dead), came into its queue, or was made.
    pub fn happened_at(&self) -> Option<Timestamp> {
        let job = self.payload.as_ref().ok();
        let time = |field: &str| job.and_then(|job| job.time(field));
        match self.place {
            Place::Queue(_) => time("enqueued_at").or_else(|| time("created_at")),
            Place::Set(JobSet::Scheduled) => time("created_at"),
            Place::Set(JobSet::Retry) => time("retried_at").or_else(|| time("failed_at")),
            Place::Set(JobSet::Dead) => self.at,
        }
    }
}
