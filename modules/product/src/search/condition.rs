//! Whether the files of an index are as they were written. Its files are written once, so whoever changes one has damaged
//! it; that is seen without reading them.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use tantivy::index::SegmentId;

/// What an index is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Whole,
    /// Files are gone. What is open can still be read, but nothing can be written.
    Missing,
    /// The database has been restored to what it was before, so that news of it would be missed.
    Overtaken,
    /// Files are not as they were written: whatever is found may be wrong.
    Damaged,
}

/// The files of an index as they were first seen.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<String, (u64, SystemTime)>);

impl Seen {
    /// Compares the files of `segments` with what they were when they were first seen: what was found once is found by each
    /// later look too.
    pub(super) fn inspect(&mut self, folder: &Path, segments: &[SegmentId]) -> io::Result<Condition> {
        let names: Vec<String> = segments.iter().map(SegmentId::uuid_string).collect();
        let is_of_segment = |file: &str| names.iter().any(|name| file.starts_with(name.as_str()));
        let mut found = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_of_segment(&name) {
                let metadata = entry.metadata()?;
                found.insert(name, (metadata.len(), metadata.modified()?));
            }
        }
        let known = std::mem::take(&mut self.0);
        let mut condition = match names.iter().all(|name| found.keys().any(|file| file.starts_with(name))) {
            true => Condition::Whole,
            false => Condition::Missing,
        };
        for (name, then) in known.into_iter().filter(|(name, _)| is_of_segment(name)) {
            match found.get(&name) {
                Some(now) if *now == then => continue,
                Some(_) => condition = Condition::Damaged,
                // Lists of deleted products are written anew now and then, under another name.
                None if name.ends_with(".del") => continue,
                None if condition == Condition::Whole => condition = Condition::Missing,
                None => (),
            }
            found.insert(name, then);
        }
        self.0 = found;
        Ok(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_damage_and_a_deleted_one_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let segment = SegmentId::from_uuid_string(&"ab".repeat(16)).unwrap();
        let file = |kind: &str| folder.path().join(format!("{}.{kind}", segment.uuid_string()));
        fs::write(folder.path().join("meta.json"), "{}").unwrap();
        for kind in ["term", "store", "1.del"] {
            fs::write(file(kind), kind).unwrap();
        }
        let mut seen = Seen::default();
        let mut look = || seen.inspect(folder.path(), &[segment]).unwrap();
        assert_eq!((look(), look()), (Condition::Whole, Condition::Whole));
        fs::remove_file(file("1.del")).unwrap();
        assert_eq!(look(), Condition::Whole);
        fs::remove_file(file("store")).unwrap();
        assert_eq!((look(), look()), (Condition::Missing, Condition::Missing));
        fs::write(file("term"), "other").unwrap();
        assert_eq!((look(), look()), (Condition::Damaged, Condition::Damaged));
        assert_eq!(
            Seen::default()
                .inspect(folder.path(), &[SegmentId::from_uuid_string(&"cd".repeat(16)).unwrap()])
                .unwrap(),
            Condition::Missing
        );
        assert_eq!(Seen::default().inspect(folder.path(), &[]).unwrap(), Condition::Whole);
    }
}
