//! A video drives the photo.

use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, data, photo};

const FRAMES: u64 = 12;

/// The other bundled photo, panned and turned a little from frame to frame, stands for a driving video.
fn driving_video(rest: &str) -> String {
    format!(
        "filesrc location={} ! pngdec ! videoconvert ! imagefreeze num-buffers={FRAMES} ! video/x-raw,framerate=25/1 \
         ! {rest}",
        data("portrait-astronaut.png").display()
    )
}

#[test]
fn every_frame_of_the_video_gives_a_picture_at_its_time() {
    let pipeline = Pipeline::parse(&driving_video(&format!(
        "facelandmarks ! landmarks2latents ! facesynth portrait={} ! appsink name=out",
        photo()
    )));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    let frames = recording.frames();
    assert_eq!(frames.len() as u64, FRAMES);
    for (index, frame) in (0..).zip(&frames) {
        assert_eq!(frame.pts, Some(FRAME * index), "frame {index}");
        assert_eq!(frame.size, 512 * 512 * 3, "frame {index}");
    }
}

#[test]
fn a_video_without_a_face_drives_an_idle_portrait() {
    let pipeline = Pipeline::parse(&format!(
        "videotestsrc num-buffers=5 pattern=smpte ! video/x-raw,width=320,height=240,framerate=25/1 ! videoconvert \
         ! facelandmarks ! landmarks2latents ! facesynth portrait={} ! appsink name=out",
        photo()
    ));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    assert_eq!(recording.frames().len(), 5);
}
