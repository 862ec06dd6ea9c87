//! The device's key in its file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cuecard_transport::DeviceKey;
use zeroize::Zeroizing;

const FILE: &str = "device.key";

/// Why there is no device key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("the device key {} cannot be read or made: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not a key.
    #[error("{} is not a device key; restore it from a backup, or set it aside to become a new device", .path.display())]
    Form {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("no randomness for a new device key: {0}")]
    Random(#[from] getrandom::Error),
}

/// Makes a data folder, and in it the one for the store, which holds the keys of decks: its user's alone. A data folder that
/// was there keeps the permissions that its user gave it; the folder in it is closed to others in any case.
///
/// # Errors
/// What the system says.
pub fn private_folder(folder: &Path, store: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    builder.create(store)?;
    #[cfg(unix)]
    fs::set_permissions(store, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// The key kept in a data folder; made, readable by its user alone, when there is none.
///
/// # Errors
/// [`IdentityError`] says what to do.
pub fn load_or_create(folder: &Path) -> Result<DeviceKey, IdentityError> {
    let path = folder.join(FILE);
    let io = |error| IdentityError::Io {
        path: path.clone(),
        error,
    };
    match File::open(&path) {
        Ok(file) => {
            // A copy that came back from a backup may be open to others.
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .map_err(io)?;
            let mut secret = Zeroizing::new(Vec::with_capacity(33));
            file.take(33).read_to_end(&mut secret).map_err(io)?;
            let secret: &[u8; 32] = secret
                .as_slice()
                .try_into()
                .map_err(|_| IdentityError::Form { path: path.clone() })?;
            Ok(DeviceKey::from_bytes(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = DeviceKey::generate()?;
            write_new(folder, &path, &key).map_err(io)?;
            Ok(key)
        }
        Err(error) => Err(io(error)),
    }
}

/// Whole or not at all: a key that was cut short by a crash would lock its user out.
fn write_new(folder: &Path, path: &Path, key: &DeviceKey) -> io::Result<()> {
    let temporary = folder.join("device.key.new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(key.to_bytes().as_slice())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_folder_of_the_store_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let outer = tempfile::tempdir().unwrap();
        let (folder, store) = (outer.path().join("data"), outer.path().join("data/store"));
        private_folder(&folder, &store).unwrap();
        assert_eq!((mode(&folder), mode(&store)), (0o700, 0o700));
        for path in [&folder, &store] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        private_folder(&folder, &store).unwrap();
        assert_eq!((mode(&folder), mode(&store)), (0o755, 0o700));
    }

    #[test]
    fn the_key_is_made_once_and_is_its_users_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = load_or_create(folder.path()).unwrap();
        assert_eq!(load_or_create(folder.path()).unwrap().id(), key.id());
        let path = folder.path().join(FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // One that came back from a backup may be open to others.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            load_or_create(folder.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for wrong in [&[1_u8; 31][..], &[1; 33], &[]] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(
                load_or_create(folder.path()),
                Err(IdentityError::Form { .. })
            ));
        }
    }
}
