//! The file of a spool: records that are appended, each with its length and checksum, and locked by the process that writes
//! it. Nothing that was in it is thrown away: what is no record is moved to a file beside it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::broker::{Guard, NewJob};
use crate::clock::Timestamp;
use crate::random;

/// What a file begins with. The number changes with the form.
const HEADER: &[u8] = b"kiq spool 1\n";

/// What a record begins with, so that the next one is found behind a broken one: bytes that no text has.
const MARK: [u8; 4] = [0xF5, b'k', b'i', b'q'];

/// The mark, the length of the body, and the checksum of both length and body, little-endian.
const PREFIX: usize = 12;

/// What spool files end in.
const EXTENSION: &str = "spool";

/// One process's spool on disk. Dropping it unlocks it.
#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    path: PathBuf,
    /// The end of what is known to be whole.
    length: u64,
    syncs: bool,
}

/// A record's body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// A job that waits.
    Job(Box<StoredJob>),
    /// So many jobs of this file, from its beginning, are in the store.
    Delivered(u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredJob {
    payload: String,
    queue: String,
    at_micros: Option<i64>,
    guard: String,
    guard_ms: u64,
    jid: String,
}

impl SpoolFile {
    /// A new one of this process, in `folder`.
    pub(super) fn create(folder: &Path, now: Timestamp, syncs: bool) -> io::Result<Self> {
        loop {
            // The names sort by age, so that what a process left is sent in order.
            let name: String = random::bytes::<6>().iter().map(|byte| format!("{byte:02x}")).collect();
            let path = folder.join(format!("{:018}-{}-{name}.{EXTENSION}", now.as_micros(), std::process::id()));
            let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            // Another process may have taken it for one of a process that died before it locked it.
            if fs4::FileExt::try_lock(&file).is_err() {
                continue;
            }
            file.write_all(HEADER)?;
            if syncs {
                file.sync_all()?;
                File::open(folder)?.sync_all()?;
            }
            return Ok(SpoolFile { file, path, length: HEADER.len() as u64, syncs });
        }
    }

    /// How many bytes it has.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes jobs behind the others. When this returns, they are on the disk (or with the system, if it does not sync). An
    /// error leaves it as it was.
    pub(super) fn append(&mut self, jobs: &[NewJob]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for job in jobs {
            write_record(&mut bytes, &Record::Job(Box::new(StoredJob::of(job))))?;
        }
        let written = self.write(&bytes).and_then(|()| if self.syncs { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a record would be set aside by the next reader; better there is none.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    /// Notes that so many jobs, from the beginning, need not be sent again. Not synced: if it is lost, they are sent again,
    /// and their guards keep them from being stored twice.
    pub(super) fn note_delivered(&mut self, count: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        write_record(&mut bytes, &Record::Delivered(count))?;
        self.write(&bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Empties it: all are delivered.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(HEADER.len() as u64)?;
        self.length = HEADER.len() as u64;
        Ok(())
    }

    /// Removes it.
    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)
    }
}

/// The files in `folder` that no living process holds, the oldest first, each locked by us from now on.
pub(super) fn left_behind(folder: &Path, own: &Path) -> io::Result<Vec<SpoolFile>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION) && path != own)
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // One that vanishes in between was removed by whoever sent it.
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
        if fs4::FileExt::try_lock(&file).is_ok() {
            let length = file.metadata()?.len();
            files.push(SpoolFile { file, path, length, syncs: true });
        }
    }
    Ok(files)
}

impl SpoolFile {
    /// The jobs in it that were not delivered. What is no record is first moved to a file beside it.
    pub(super) fn read(&mut self) -> io::Result<Vec<NewJob>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        let found = scan(&bytes);
        if let Some(broken) = found.broken.first() {
            let aside = set_aside(&self.path, found.broken.iter().filter_map(|part| bytes.get(part.clone())))?;
            let torn = found.broken.len() == 1 && broken.end == bytes.len() && found.is_torn;
            let (file, aside, at) = (self.path.display(), aside.display(), broken.start);
            let count: usize = found.broken.iter().map(ExactSizeIterator::len).sum();
            if torn {
                tracing::warn!(%file, %aside, at, count, "a spool ends in half a record, which was cut off; its writer was stopped in the middle");
            } else {
                tracing::error!(%file, %aside, at, count, "a spool has bytes that are no record; they were set aside, and the others are sent");
            }
        }
        Ok(found.jobs)
    }
}

/// Writes parts of a file to a new one beside it.
fn set_aside<'a>(path: &Path, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        number += 1;
        let aside = path.with_extension(format!("aside-{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(mut file) => {
                for part in parts {
                    file.write_all(part)?;
                }
                file.sync_all()?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Keeps a job that the store will never take, in a file beside the spool.
pub(super) fn set_job_aside(path: &Path, job: &NewJob) -> io::Result<PathBuf> {
    let mut bytes = HEADER.to_vec();
    write_record(&mut bytes, &Record::Job(Box::new(StoredJob::of(job))))?;
    set_aside(path, std::iter::once(bytes.as_slice()))
}

/// What is in a file.
struct Scan {
    jobs: Vec<NewJob>,
    /// Where it holds no records.
    broken: Vec<std::ops::Range<usize>>,
    /// Whether the last of these is the beginning of a record.
    is_torn: bool,
}

fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan { jobs: Vec::new(), broken: Vec::new(), is_torn: false };
    let (mut delivered, mut number) = (0, 0);
    let mut jobs = Vec::new();
    let mut at = if bytes.starts_with(HEADER) { HEADER.len() } else { 0 };
    if at == 0 && HEADER.starts_with(bytes) {
        // Its writer was stopped before it wrote anything.
        return found;
    }
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some((record, length)) = read_record(rest) {
            match record {
                Record::Job(job) => {
                    number += 1;
                    jobs.push((number, job));
                }
                // Behind a broken record the count may be off by the jobs in it: all since are sent again.
                Record::Delivered(count) if found.broken.is_empty() => delivered = count.max(delivered),
                Record::Delivered(_) => {}
            }
            at += length;
            continue;
        }
        // The next place where a whole record begins; none is the end.
        let next =
            (at + 1..bytes.len()).find(|next| bytes.get(*next..).is_some_and(|rest| read_record(rest).is_some()));
        found.is_torn = next.is_none() && is_beginning(rest);
        found.broken.push(at..next.unwrap_or(bytes.len()));
        at = next.unwrap_or(bytes.len());
    }
    found.jobs = jobs.into_iter().filter(|(number, _)| *number > delivered).map(|(_, job)| job.into_job()).collect();
    found
}

/// Whether it is what a record begins with, and ends too soon.
fn is_beginning(rest: &[u8]) -> bool {
    let mark = rest.get(..MARK.len().min(rest.len())).unwrap_or_default();
    let length = rest.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    MARK.starts_with(mark) && length.is_none_or(|length| rest.len() < PREFIX + length as usize)
}

/// The record at the beginning, and its length with everything.
fn read_record(rest: &[u8]) -> Option<(Record, usize)> {
    if !rest.starts_with(&MARK) {
        return None;
    }
    let length: [u8; 4] = rest.get(4..8)?.try_into().ok()?;
    let checksum: [u8; 4] = rest.get(8..PREFIX)?.try_into().ok()?;
    let end = PREFIX.checked_add(u32::from_le_bytes(length) as usize)?;
    let body = rest.get(PREFIX..end)?;
    if u32::from_le_bytes(checksum) != checksum_of(length, body) {
        return None;
    }
    Some((serde_json::from_slice(body).ok()?, end))
}

fn write_record(bytes: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    let body = serde_json::to_vec(record)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    bytes.extend(MARK);
    bytes.extend(length);
    bytes.extend(checksum_of(length, &body).to_le_bytes());
    bytes.extend(body);
    Ok(())
}

fn checksum_of(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

impl StoredJob {
    fn of(job: &NewJob) -> Self {
        let guard = job.guard.clone().unwrap_or(Guard { key: String::new(), ttl: Duration::ZERO, jid: String::new() });
        StoredJob {
            payload: job.payload.clone(),
            queue: job.queue.clone(),
            at_micros: job.at.map(Timestamp::as_micros),
            guard: guard.key,
            guard_ms: u64::try_from(guard.ttl.as_millis()).unwrap_or(u64::MAX),
            jid: guard.jid,
        }
    }

    fn into_job(self) -> NewJob {
        let guard = Guard { key: self.guard, ttl: Duration::from_millis(self.guard_ms), jid: self.jid };
        NewJob {
            payload: self.payload,
            queue: self.queue,
            at: self.at_micros.map(Timestamp::from_micros),
            guard: (!guard.key.is_empty()).then_some(guard),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: usize) -> NewJob {
        let guard = Guard { key: format!("jid:{number}"), ttl: Duration::from_secs(60), jid: number.to_string() };
        let at = number.is_multiple_of(2).then(|| Timestamp::from_micros(number as i64));
        NewJob { payload: format!("job {number} \u{e4}\n"), queue: "q".to_owned(), at, guard: Some(guard) }
    }

    fn file_of(records: &[Record]) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for record in records {
            write_record(&mut bytes, record).unwrap();
        }
        bytes
    }

    fn jobs(count: usize) -> Vec<Record> {
        (0..count).map(|number| Record::Job(Box::new(StoredJob::of(&job(number))))).collect()
    }

    fn payloads(found: &Scan) -> Vec<String> {
        found.jobs.iter().map(|job| job.payload.clone()).collect()
    }

    #[test]
    fn what_is_written_is_read_and_what_was_delivered_is_not() {
        let mut records = jobs(5);
        records.insert(3, Record::Delivered(2));
        let found = scan(&file_of(&records));
        assert_eq!(payloads(&found), (2..5).map(|number| job(number).payload).collect::<Vec<_>>());
        let third = found.jobs.first().unwrap();
        assert_eq!((third.at, &third.guard), (job(2).at, &job(2).guard));
        assert!(found.broken.is_empty());
        assert!(scan(b"").jobs.is_empty() && scan(b"kiq sp").broken.is_empty());
    }

    #[test]
    fn a_file_that_was_cut_anywhere_gives_all_whole_records_and_the_rest_as_torn() {
        let bytes = file_of(&jobs(3));
        let second_ends = file_of(&jobs(2)).len();
        for end in second_ends..bytes.len() {
            let found = scan(bytes.get(..end).unwrap());
            assert_eq!(found.jobs.len(), 2, "{end}");
            assert_eq!(found.broken.len(), usize::from(end > second_ends), "{end}");
            assert!(end == second_ends || found.is_torn, "{end}");
        }
    }

    #[test]
    fn any_bit_that_flips_costs_its_own_record_only_and_its_bytes_are_found() {
        let bytes = file_of(&jobs(3));
        let (from, to) = (file_of(&jobs(1)).len(), file_of(&jobs(2)).len());
        for at in from..to {
            let mut bytes = bytes.clone();
            *bytes.get_mut(at).unwrap() ^= 0x10;
            let found = scan(&bytes);
            assert_eq!(payloads(&found), [job(0).payload, job(2).payload], "{at}");
            assert_eq!((found.broken.len(), found.broken.first()), (1, Some(&(from..to))), "{at}");
            assert!(!found.is_torn);
        }
    }

    #[test]
    fn a_delivered_mark_behind_a_broken_record_skips_no_job() {
        let mut records = jobs(3);
        records.push(Record::Delivered(2));
        let mut bytes = file_of(&records);
        *bytes.get_mut(HEADER.len() + 20).unwrap() ^= 1;
        // The second and third are jobs 1 and 2 of those left; the mark was about 0 and 1. Rather twice than never.
        assert!(payloads(&scan(&bytes)).contains(&job(2).payload));
    }
}
