//! A small file system of its own, in a mount namespace made for the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file system that is there for as long as this lives, seen by everybody who may look into the
/// namespace of its keeper.
#[derive(Debug)]
pub(crate) struct Volume {
    keeper: Child,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Volume {
    /// In memory.
    pub(crate) fn in_memory(megabytes: u64) -> Result<Self, String> {
        Self::mounted(|at| format!("mount -t tmpfs -o size={megabytes}m none {at}"))
    }

    /// ext4 in a file.
    pub(crate) fn ext4(megabytes: u64) -> Result<Self, String> {
        Self::mounted(|at| {
            let image = format!("{at}.image");
            format!(
                "truncate -s {megabytes}M {image} && mkfs.ext4 -q -m 0 {image} && \
                 mount -o loop {image} {at}"
            )
        })
    }

    /// `Err` says why the machine does not allow it.
    fn mounted(mount: impl FnOnce(&str) -> String) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("volume");
        std::fs::create_dir(&at).unwrap();
        let mount = mount(at.to_str().unwrap());
        // It ends with its standard input, and the namespace and the mount with it.
        let script = format!("{{ {mount} && echo mounted && exec cat; }} 2>&1");
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        if said != "mounted\n" {
            _ = keeper.kill();
            _ = keeper.wait();
            return Err(format!("{mount}: {}", said.trim_end()));
        }
        let root = PathBuf::from(format!("/proc/{}/root{}", keeper.id(), at.display()));
        Ok(Self { keeper, root, _folder: folder })
    }

    /// A path on it, for any process of this machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Fills it up to the last byte.
    pub(crate) fn fill(&self) {
        let mut ballast = File::options();
        let mut ballast = ballast.create(true).append(true).open(self.path("ballast")).unwrap();
        let mut slice = vec![1; 1 << 20];
        while !slice.is_empty() {
            match ballast.write(&slice).and_then(|count| ballast.sync_data().map(|()| count)) {
                Ok(1..) => {}
                _ => slice.truncate(slice.len() / 2),
            }
        }
    }

    /// Takes the ballast away.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        _ = self.keeper.kill();
        _ = self.keeper.wait();
    }
}

/// The volumes that this machine allows; it says which it does not.
pub(crate) fn volumes(megabytes: u64) -> Vec<(&'static str, Volume)> {
    let both = [("tmpfs", Volume::in_memory(megabytes)), ("ext4", Volume::ext4(megabytes))];
    let mut allowed = Vec::new();
    for (name, volume) in both {
        match volume {
            Ok(volume) => allowed.push((name, volume)),
            Err(why) => eprintln!("NOT RUN on {name}: {why}"),
        }
    }
    allowed
}

/// Names of what lies in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
