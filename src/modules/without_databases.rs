//! What stands for the databases in a binary without a module that has one.

use std::path::PathBuf;
use std::sync::Arc;

use kernel::Fault;
use kernel::settings::Settings;

use super::StartError;

pub(super) struct Databases;

impl Databases {
    pub(super) async fn open(_: &Arc<Settings>) -> Result<Self, StartError> {
        Ok(Self)
    }

    pub(super) fn offline(_: &Settings) -> Self {
        Self
    }

    pub(super) fn are_embedded(&self) -> bool {
        false
    }

    pub(super) async fn check_durability(&self) -> Result<(), Fault> {
        Ok(())
    }

    pub(super) async fn close(self) {}
}

pub(super) fn data_dir(settings: &Settings) -> Result<PathBuf, StartError> {
    Ok(settings.data.dir.clone())
}

pub(super) fn check_transport(_: &Settings) -> Result<(), StartError> {
    Ok(())
}
