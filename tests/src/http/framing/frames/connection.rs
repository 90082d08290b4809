//! Frames of the connection (RFC 9113 sections 4 and 6).

use super::{
    Code::{FlowControlError, FrameSizeError, ProtocolError},
    Fate::{Answer, Goaway, Reset},
    Frames, Kind, PLAIN, frame, head, last, request,
    wire::{ACK, END_HEADERS, END_STREAM, PRIORITY, block},
    with,
};

const SEEN: &[&str] = &["GET /x"];

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(Kind::Settings, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(Kind::Window, 0, stream, &by.to_be_bytes())
}

pub(super) fn rows() -> Vec<Frames> {
    let goaway = |id, source, what, sent: Vec<u8>, code| Frames::new(id, source, what, &[sent], Goaway(code));
    let get = || request(1, &PLAIN);
    let post = || head(1, &with(&[(":method", "POST")]));
    vec![
        Frames::new("h2-plain", "RFC 9113 8.1", "nothing unusual", &[get()], Answer(200)).sees(SEEN),
        goaway(
            "h2-settings-stream",
            "RFC 9113 6.5",
            "SETTINGS of a stream",
            frame(Kind::Settings, 0, 1, &[]),
            ProtocolError,
        ),
        goaway(
            "h2-settings-length",
            "RFC 9113 6.5",
            "SETTINGS of 5 bytes",
            frame(Kind::Settings, 0, 0, &[0; 5]),
            ProtocolError,
        ),
        goaway(
            "h2-settings-ack",
            "RFC 9113 6.5",
            "SETTINGS with ACK and values",
            frame(Kind::Settings, ACK, 0, &[0; 6]),
            ProtocolError,
        ),
        goaway("h2-settings-push", "RFC 9113 6.5.2", "ENABLE_PUSH of 2", setting(2, 2), ProtocolError),
        goaway(
            "h2-settings-window",
            "RFC 9113 6.5.2",
            "INITIAL_WINDOW_SIZE of 2^31",
            setting(4, 1 << 31),
            ProtocolError,
        ),
        goaway(
            "h2-settings-frame-small",
            "RFC 9113 6.5.2",
            "MAX_FRAME_SIZE of 16,383",
            setting(5, 16_383),
            ProtocolError,
        ),
        goaway(
            "h2-settings-frame-large",
            "RFC 9113 6.5.2",
            "MAX_FRAME_SIZE of 2^24",
            setting(5, 1 << 24),
            ProtocolError,
        ),
        Frames::new(
            "h2-settings-unknown",
            "RFC 9113 6.5.2",
            "a setting that nobody knows",
            &[setting(0xbeef, 1), get()],
            Answer(200),
        )
        .sees(SEEN),
        goaway(
            "h2-ping-length",
            "RFC 9113 6.7",
            "PING of 7 bytes",
            frame(Kind::Ping, 0, 0, &[0; 7]),
            ProtocolError,
        ),
        goaway(
            "h2-ping-stream",
            "RFC 9113 6.7",
            "PING of a stream",
            frame(Kind::Ping, 0, 1, &[0; 8]),
            ProtocolError,
        ),
        goaway(
            "h2-goaway-stream",
            "RFC 9113 6.8",
            "GOAWAY of a stream",
            frame(Kind::Goaway, 0, 1, &[0; 8]),
            ProtocolError,
        ),
        goaway("h2-window-zero", "RFC 9113 6.9", "WINDOW_UPDATE of 0", window(0, 0), ProtocolError),
        Frames::new(
            "h2-window-zero-stream",
            "RFC 9113 6.9",
            "WINDOW_UPDATE of 0 for a stream",
            &[post(), window(1, 0)],
            Goaway(ProtocolError),
        ),
        goaway(
            "h2-window-overflow",
            "RFC 9113 6.9.1",
            "a window beyond 2^31-1",
            window(0, (1 << 31) - 1),
            FlowControlError,
        ),
        Frames::new(
            "h2-window-overflow-stream",
            "RFC 9113 6.9.1",
            "a stream's window beyond 2^31-1",
            &[post(), window(1, (1 << 31) - 1)],
            Reset(FlowControlError),
        ),
        goaway(
            "h2-window-length",
            "RFC 9113 6.9",
            "WINDOW_UPDATE of 3 bytes",
            frame(Kind::Window, 0, 0, &[0; 3]),
            ProtocolError,
        ),
        goaway(
            "h2-window-idle",
            "RFC 9113 5.1",
            "WINDOW_UPDATE of an idle stream",
            window(3, 1),
            ProtocolError,
        ),
        Frames::new(
            "h2-frame-unknown",
            "RFC 9113 4.1",
            "a frame of a type that nobody knows",
            &[frame(Kind::Unknown, 0xff, 5, b"?"), get()],
            Answer(200),
        )
        .sees(SEEN),
        Frames::new(
            "h2-frame-too-large",
            "RFC 9113 4.2",
            "DATA of 16,385 bytes",
            &[post(), frame(Kind::Data, 0, 1, &[0; 16_385])],
            Goaway(FrameSizeError),
        ),
        Frames::new(
            "h2-headers-too-large",
            "RFC 9113 4.2",
            "HEADERS of 16,385 bytes",
            &[frame(Kind::Headers, END_HEADERS, 1, &[0; 16_385])],
            Goaway(FrameSizeError),
        ),
        goaway(
            "h2-priority-stream",
            "RFC 9113 6.3",
            "PRIORITY of no stream",
            frame(Kind::Priority, 0, 0, &[0; 5]),
            ProtocolError,
        ),
        Frames::new(
            "h2-priority-length",
            "RFC 9113 6.3",
            "PRIORITY of 4 bytes",
            &[frame(Kind::Priority, 0, 1, &[0; 4])],
            Goaway(ProtocolError),
        ),
        Frames::new(
            "h2-priority-self",
            "RFC 7540 5.3.1",
            "PRIORITY of a stream on itself",
            &[post(), frame(Kind::Priority, 0, 1, &[0, 0, 0, 1, 0]), last(1, "")],
            Reset(ProtocolError),
        ),
        Frames::new(
            "h2-headers-self",
            "RFC 7540 5.3.1",
            "HEADERS with a priority on itself",
            &[frame(
                Kind::Headers,
                END_HEADERS | END_STREAM | PRIORITY,
                1,
                &[&[0, 0, 0, 1, 0][..], &block(&PLAIN)].concat(),
            )],
            Reset(ProtocolError),
        ),
        goaway(
            "h2-push",
            "RFC 9113 8.4",
            "PUSH_PROMISE from a client",
            frame(Kind::Push, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block(&PLAIN)].concat()),
            ProtocolError,
        ),
    ]
}
