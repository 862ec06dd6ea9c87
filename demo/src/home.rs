//! Where a device keeps its data, and what it is called. The first use needs no settings.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

const KEY_FILE: &str = "device.key";
const NAME_FILE: &str = "device.name";
const HOLDER_FILE: &str = "holder";
const SOCKET_FILE: &str = "cuecard.sock";
/// Longer than any name may be: the file is not ours if it is.
const NAME_BYTES_MAX: usize = 1024;
/// A socket's path has 108 bytes on Linux and 104 elsewhere, its end included; the socket is bound under a longer name
/// first.
const SOCKET_PATH_BYTES_MAX: usize = 98;

/// A data folder, whether or not there is anything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// The folder that was asked for, else `$XDG_DATA_HOME/cuecard`, else `~/.local/share/cuecard`.
    ///
    /// # Errors
    /// Where there is no home folder to put it in.
    pub(crate) fn find(asked: Option<PathBuf>) -> Result<Self, Error> {
        let folder = match asked {
            Some(folder) => folder,
            None => by_default(|name| env::var_os(name).map(PathBuf::from)).ok_or(Error::NoHome)?,
        };
        Self::at(&folder)
    }

    /// This folder.
    ///
    /// # Errors
    /// When the working directory is gone, and the path is relative to it.
    pub(crate) fn at(folder: &Path) -> Result<Self, Error> {
        // Another process may be told this path, which has another working directory.
        let absolute = std::path::absolute(folder).map_err(|error| Error::folder(folder, error))?;
        Ok(Self { folder: absolute })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a device keeps its data here already.
    pub(crate) fn has_device(&self) -> bool {
        self.key_file().is_file()
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// What the device is called, if that was ever set.
    pub(crate) fn name(&self) -> Option<String> {
        let name = fs::read_to_string(self.folder.join(NAME_FILE)).ok()?;
        let name = name.trim_end_matches('\n');
        (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then(|| name.to_owned())
    }

    /// Remembers what the device is called.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn set_name(&self, name: &str) -> Result<(), Error> {
        if self.name().as_deref() == Some(name) {
            return Ok(());
        }
        fs::write(self.folder.join(NAME_FILE), name).map_err(|error| Error::folder(&self.folder, error))
    }

    /// Who has the folder open, as that process said of itself.
    pub(crate) fn holder(&self) -> Option<Holder> {
        let text = fs::read_to_string(self.folder.join(HOLDER_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Says who has the folder open; only to be read by people, so that a failure is no harm.
    pub(crate) fn set_holder(&self, holder: Option<&Holder>) {
        let path = self.folder.join(HOLDER_FILE);
        let done = match holder {
            Some(holder) => fs::write(path, serde_json::json!(holder).to_string()),
            None => fs::remove_file(path),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "who holds the folder could not be noted");
        }
    }

    /// Where the process that has the folder open listens. The path of a socket is short: a folder with a long one has
    /// its socket in the runtime folder, else in the temporary one, by a name that only this folder has.
    pub(crate) fn socket(&self) -> PathBuf {
        let socket = self.folder.join(SOCKET_FILE);
        if socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return socket;
        }
        let hash = blake3::hash(self.folder.as_os_str().as_encoded_bytes()).to_hex();
        let name = format!("cuecard-{}.sock", hash.get(..16).unwrap_or_default());
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        runtime
            .filter(|folder| folder.is_absolute())
            .unwrap_or_else(env::temp_dir)
            .join(name)
    }
}

/// A process that has a data folder open.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Holder {
    /// The process.
    pub(crate) pid: u32,
    /// What it does, as `cuecard up`.
    pub(crate) command: String,
}

fn by_default(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // A relative one is to be ignored, says the standard of these folders.
    let absolute = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("cuecard"))
}

/// What this machine is called: how a new device is called unless its user says otherwise.
pub(crate) fn machine_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let told = files.iter().find_map(|file| fs::read_to_string(file).ok());
    let asked = || {
        let output = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let name = told.or_else(asked)?;
    let name = name.trim().split('.').next().unwrap_or_default();
    (!name.is_empty() && name != "localhost").then(|| name.to_owned())
}

/// Whether files can be made in a folder, and what the system says if not.
///
/// # Errors
/// What the system says.
pub(crate) fn try_writing(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".cuecard-probe-{}", std::process::id()));
    fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_found_as_the_standard_says() {
        let set = |known: &'static [(&str, &str)]| {
            by_default(move |name| {
                known
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        assert_eq!(
            set(&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/a")]),
            Some("/data/cuecard".into())
        );
        let at_home = Some(PathBuf::from("/home/a/.local/share/cuecard"));
        assert_eq!(set(&[("HOME", "/home/a")]), at_home);
        assert_eq!(
            set(&[("XDG_DATA_HOME", "relative"), ("HOME", "/home/a")]),
            at_home
        );
        assert_eq!(set(&[]), None);
        assert_eq!(set(&[("HOME", "")]), None);
    }

    #[test]
    fn a_socket_has_a_path_that_a_socket_may_have() {
        let short = Home::at(Path::new("/data/cuecard")).unwrap();
        assert_eq!(short.socket(), Path::new("/data/cuecard/cuecard.sock"));
        let long = Home::at(&Path::new("/").join("a".repeat(200))).unwrap();
        let other = Home::at(&Path::new("/").join("b".repeat(200))).unwrap();
        assert!(long.socket().as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert_ne!(long.socket(), other.socket());
    }
}
