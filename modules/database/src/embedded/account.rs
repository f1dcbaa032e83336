use std::ffi::{CStr, OsStr};
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr;

use super::error::StartError;

/// Whom the server runs as.
///
/// PostgreSQL refuses to run as root, so root hands it to another account: the owner of the cluster, else
/// `postgres`, else `nobody`. Everybody else runs it as themselves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// The account of this process.
    Own,
    /// An account that root hands the server to.
    Other { name: String, user: u32, group: u32 },
}

impl Account {
    /// The account for a cluster, which need not exist yet.
    pub(super) fn for_cluster(data: &Path) -> Result<Account, StartError> {
        if !is_root() {
            return Ok(Account::Own);
        }
        // An account `postgres` may have come after `nobody` made the cluster; its owner stays the right one.
        if let Ok(found) = fs::metadata(data)
            && found.uid() != 0
        {
            return Ok(Account::Other {
                name: found.uid().to_string(),
                user: found.uid(),
                group: found.gid(),
            });
        }
        account_named(c"postgres")
            .or_else(|| account_named(c"nobody"))
            .ok_or(StartError::NoAccount)
    }

    /// A command of this account, without the store's environment: PGPORT and its like must not reach PostgreSQL,
    /// nor must the store's secrets.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Account::Other { user, group, .. } = self {
            command.uid(*user).gid(*group);
        }
        command
    }

    /// Gives a file or directory that this process made to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), StartError> {
        let Account::Other { user, group, .. } = self else {
            return Ok(());
        };
        chown(path, Some(*user), Some(*group)).map_err(StartError::system("change the owner of", path))
    }

    /// Refuses a directory that the account cannot reach because of a directory above it, or of itself.
    pub(super) fn check_can_enter(&self, directory: &Path) -> Result<(), StartError> {
        let Account::Other { name, user, group } = self else {
            return Ok(());
        };
        for directory in directory.ancestors().filter(|path| *path != OsStr::new("")) {
            let found = fs::metadata(directory).map_err(StartError::system("look at", directory))?;
            let search = match () {
                () if found.uid() == *user => 0o100,
                () if found.gid() == *group => 0o010,
                () => 0o001,
            };
            if found.mode() & search == 0 {
                return Err(StartError::NotTraversable {
                    directory: directory.to_path_buf(),
                    account: name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether this process runs as root.
#[expect(
    unsafe_code,
    reason = "the standard library does not tell the user; the call cannot fail"
)]
pub(super) fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

#[expect(
    unsafe_code,
    reason = "accounts may come from elsewhere than /etc/passwd, which only the C library knows"
)]
fn account_named(name: &CStr) -> Option<Account> {
    let mut texts = vec![0; 16 * 1024];
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's own.
    let status = unsafe {
        libc::getpwnam_r(
            name.as_ptr(),
            entry.as_mut_ptr(),
            texts.as_mut_ptr(),
            texts.len(),
            &raw mut found,
        )
    };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call succeeded and found an account, so it has filled in the entry.
    let entry = unsafe { entry.assume_init() };
    Some(Account::Other {
        name: name.to_string_lossy().into_owned(),
        user: entry.pw_uid,
        group: entry.pw_gid,
    })
}
