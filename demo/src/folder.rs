//! A data folder as commands find it: is there a device in it, and what is it called.

use std::fs;
use std::io;
use std::path::Path;

use cuecard::Engine;

use crate::error::Error;

const NAME_FILE: &str = "device.name";
/// Longer than any name may be: the file is not ours if it is.
const NAME_BYTES_MAX: usize = 1024;

/// Remembers what the device in a folder is called, for commands that open it later.
///
/// # Errors
/// What the system says.
pub(crate) fn write_name(folder: &Path, name: &str) -> Result<(), Error> {
    let path = folder.join(NAME_FILE);
    if fs::read_to_string(&path).is_ok_and(|known| known == name) {
        return Ok(());
    }
    fs::write(&path, name).map_err(|error| Error::Folder {
        folder: folder.to_owned(),
        error,
    })
}

/// Opens the device in a folder, which must be there.
///
/// # Errors
/// When there is none, or another process has it open.
pub(crate) async fn open(folder: &Path) -> Result<Engine, Error> {
    // Opening makes a folder and a key where there are none: right for an app, wrong for a look at what is there.
    if !folder.join("device.key").is_file() {
        return Err(Error::NoDevice {
            folder: folder.to_owned(),
        });
    }
    let mut builder = Engine::builder();
    if let Ok(name) = fs::read_to_string(folder.join(NAME_FILE))
        && name.len() <= NAME_BYTES_MAX
    {
        builder = builder.name(name);
    }
    Ok(builder.open(folder).await?)
}

/// Sees that a folder is there and empty.
///
/// # Errors
/// When it is not empty: what is in it is not to be mixed with what comes.
pub(crate) fn make_empty(folder: &Path) -> Result<(), Error> {
    let io = |error: io::Error| Error::Folder {
        folder: folder.to_owned(),
        error,
    };
    fs::create_dir_all(folder).map_err(io)?;
    match fs::read_dir(folder).map_err(io)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotEmpty {
            folder: folder.to_owned(),
        }),
    }
}
