// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a rendered file is, and a clip of it for a page.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::shell;

/// Length of a clip in seconds.
const CLIP_SECONDS: &str = "7";

/// Half of the pictures, scaled, with a mark that a copy of the file does not lose.
const CLIP_FILTER: &str = "fps=12.5,scale=360:-2:flags=lanczos,drawtext=text=synthetic:x=w-tw-8:y=h-th-8:fontsize=15:\
                           fontcolor=white:box=1:boxcolor=black@0.55:boxborderw=4";

/// Writes the beginning of a film as an animated WebP without sound, below 1 MB.
pub fn write_clip(film: &Path, clip: &Path) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-t", CLIP_SECONDS, "-i"]).arg(film);
    ffmpeg.args(["-an", "-vf", CLIP_FILTER]);
    // The format is that whatever the file is called.
    ffmpeg.args(["-c:v", "libwebp_anim", "-quality", "60", "-compression_level", "6"]);
    ffmpeg.args(["-loop", "0", "-f", "webp"]).arg(clip);
    shell::run(&mut ffmpeg)
}

/// Length of an MP4 file, from its movie header.
pub fn mp4_duration(path: &Path) -> Result<Duration> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let end = file.seek(SeekFrom::End(0))?;
    let no_header = || format!("{} has no movie header: it was not finished", path.display());
    let (start, size) = find_box(&mut file, 0, end, *b"moov")?.with_context(no_header)?;
    let (start, _) = find_box(&mut file, start, start + size, *b"mvhd")?.with_context(no_header)?;
    file.seek(SeekFrom::Start(start))?;
    let mut header = [0; 32];
    file.read_exact(&mut header).with_context(no_header)?;
    // ISO/IEC 14496-12, 8.2.2: version 1 has 64-bit times.
    let (scale, duration) = if header[0] == 1 {
        (be32(&header[20..]), (u64::from(be32(&header[24..])) << 32) | u64::from(be32(&header[28..])))
    } else {
        (be32(&header[12..]), u64::from(be32(&header[16..])))
    };
    Ok(Duration::from_secs_f64(duration as f64 / f64::from(scale.max(1))))
}

/// Payload (start, length) of the first box of that kind between two offsets.
fn find_box(file: &mut File, mut at: u64, end: u64, kind: [u8; 4]) -> Result<Option<(u64, u64)>> {
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        file.read_exact(&mut header[..8])?;
        let (mut size, mut header_size) = (u64::from(be32(&header)), 8);
        if size == 1 {
            file.read_exact(&mut header[8..])?;
            size = (u64::from(be32(&header[8..])) << 32) | u64::from(be32(&header[12..]));
            header_size = 16;
        }
        if size == 0 {
            size = end - at;
        }
        if size < header_size {
            return Ok(None);
        }
        if header[4..8] == kind {
            return Ok(Some((at + header_size, size - header_size)));
        }
        at += size;
    }
    Ok(None)
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_read_behind_large_boxes_and_a_cut_file_is_an_error() {
        let mut mvhd = vec![0; 100];
        mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
        mvhd[16..20].copy_from_slice(&2500u32.to_be_bytes());
        let mut bytes = Vec::new();
        bytes.extend([0, 0, 0, 1]);
        bytes.extend(*b"mdat");
        bytes.extend(20u64.to_be_bytes());
        bytes.extend([7; 4]);
        bytes.extend(116u32.to_be_bytes());
        bytes.extend(*b"moov");
        bytes.extend(108u32.to_be_bytes());
        bytes.extend(*b"mvhd");
        bytes.extend(&mvhd);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mp4");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(mp4_duration(&path).unwrap(), Duration::from_millis(2500));
        std::fs::write(&path, &bytes[..60]).unwrap();
        assert!(mp4_duration(&path).is_err());
        std::fs::write(&path, &bytes[..20]).unwrap();
        assert!(mp4_duration(&path).unwrap_err().to_string().contains("not finished"));
    }
}
