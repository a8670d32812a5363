// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a model is put between being checked and being loaded: a file that lies in memory and has no name. libtorch reads it
//! number by number, where it would copy bytes that it is given twice as a whole.

use std::io::{Seek, Write};

use tch::{CModule, Device, TchError};

/// A model that was checked, and that nobody else can write to.
pub enum Scratch {
    #[cfg(target_os = "linux")]
    File(std::fs::File),
    /// Where there are no such files.
    Bytes(Vec<u8>),
}

impl Scratch {
    /// What `write` writes, which begins anew in memory of our own where the system has no such file.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn new<E>(write: impl Fn(&mut dyn Target) -> Result<(), E>) -> Result<Self, E> {
        #[cfg(target_os = "linux")]
        if let Some(mut file) = anonymous()
            && write(&mut file).is_ok()
            && seal(&file)
        {
            return Ok(Self::File(file));
        }
        let mut bytes = std::io::Cursor::new(Vec::new());
        write(&mut bytes)?;
        Ok(Self::Bytes(bytes.into_inner()))
    }

    /// The model.
    ///
    /// # Errors
    /// What libtorch says of it.
    pub fn load(&self, device: Device) -> Result<CModule, TchError> {
        match self {
            #[cfg(target_os = "linux")]
            Self::File(file) => {
                use std::os::fd::AsRawFd;
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                CModule::load_on_device(&path, device).or_else(|error| {
                    // Some places have no /proc.
                    if std::path::Path::new(&path).exists() {
                        Err(error)
                    } else {
                        load(&self.bytes()?, device)
                    }
                })
            }
            Self::Bytes(bytes) => load(bytes, device),
        }
    }

    /// All of it.
    pub fn bytes(&self) -> Result<Vec<u8>, std::io::Error> {
        match self {
            #[cfg(target_os = "linux")]
            Self::File(file) => {
                let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
                std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0)?;
                Ok(bytes)
            }
            Self::Bytes(bytes) => Ok(bytes.clone()),
        }
    }
}

/// What a model is written to.
pub trait Target: Write + Seek {}

impl<T: Write + Seek> Target for T {}

fn load(mut bytes: &[u8], device: Device) -> Result<CModule, TchError> {
    CModule::load_data_on_device(&mut bytes, device)
}

/// An empty file that has no name.
#[cfg(target_os = "linux")]
fn anonymous() -> Option<std::fs::File> {
    use std::os::fd::FromRawFd;
    // SAFETY: the name ends with a zero; what is returned is a descriptor that is nobody else's, or negative.
    let descriptor = unsafe {
        libc::memfd_create(c"portrait-model".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
    };
    // SAFETY: as above.
    (descriptor >= 0).then(|| unsafe { std::fs::File::from_raw_fd(descriptor) })
}

/// Lets nobody write to it any more.
#[cfg(target_os = "linux")]
fn seal(file: &std::fs::File) -> bool {
    use std::os::fd::AsRawFd;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is the file's.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_checked_can_be_read_and_no_longer_written() {
        let scratch = Scratch::new(|to| to.write_all(b"model")).unwrap();
        assert_eq!(scratch.bytes().unwrap(), b"model");
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let Scratch::File(file) = &scratch else { panic!("there is such a file here") };
            assert!((&*file).write_all(b"other").is_err());
            let again =
                std::fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()));
            assert!(again.is_err() || again.unwrap().write_all(b"other").is_err());
            assert_eq!(scratch.bytes().unwrap(), b"model");
        }
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let full = || std::io::Error::other("full");
        assert!(Scratch::new(|_| Err(full())).is_err_and(|error| error.to_string() == "full"));
    }
}
