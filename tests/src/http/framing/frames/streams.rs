//! Streams and header blocks (RFC 9113 sections 4.3, 5 and 6).

use super::{
    Code::{EnhanceYourCalm, FlowControlError, ProtocolError},
    Fate::{Answer, Either, Goaway},
    Frames, Kind, PLAIN, frame, head, last, request,
    wire::{END_HEADERS, END_STREAM, PADDED, block},
    with,
};

const S5: &str = "RFC 9113 5.1";
const S51: &str = "RFC 9113 5.1.1";
const S61: &str = "RFC 9113 6.1";
const S62: &str = "RFC 9113 6.2";
const S64: &str = "RFC 9113 6.4";
const S610: &str = "RFC 9113 6.10";
const HPACK: &str = "RFC 7541";

pub(super) fn rows() -> Vec<Frames> {
    let goaway = |id, source, what, sent: &[Vec<u8>], code| Frames::new(id, source, what, sent, Goaway(code));
    let get = |stream| request(stream, &PLAIN);
    let post = || head(1, &with(&[(":method", "POST")]));
    let headers = |flags, stream, payload: &[u8]| frame(Kind::Headers, flags, stream, payload);
    let begun = || headers(END_STREAM, 1, &block(&PLAIN[..2]));
    let ended = |stream| frame(Kind::Continuation, END_HEADERS, stream, &block(&PLAIN[2..]));
    let reset = |stream| frame(Kind::Reset, 0, stream, &8_u32.to_be_bytes());
    let rapid: Vec<_> = (0..1500).flat_map(|number| [get(2 * number + 1), reset(2 * number + 1)]).collect();
    let flood: Vec<_> = std::iter::once(begun())
        .chain((0..2000).map(|_| frame(Kind::Continuation, 0, 1, &block(&[("x-a", &"b".repeat(1000))]))))
        .collect();
    let empty: Vec<_> =
        std::iter::once(begun()).chain((0..20_000).map(|_| frame(Kind::Continuation, 0, 1, &[]))).collect();
    vec![
        goaway("h2-data-0", S61, "DATA of no stream", &[frame(Kind::Data, 0, 0, b"x")], ProtocolError),
        goaway("h2-data-idle", S5, "DATA of an idle stream", &[frame(Kind::Data, 0, 1, b"x")], ProtocolError),
        Frames::new(
            "h2-data-ended",
            S5,
            "DATA behind the end of its stream",
            &[get(1), last(1, "x")],
            Goaway(ProtocolError),
        ),
        goaway(
            "h2-data-padding",
            S61,
            "more padding than DATA",
            &[post(), frame(Kind::Data, PADDED, 1, &[9, 0])],
            ProtocolError,
        ),
        Frames::new(
            "h2-data-window",
            "RFC 9113 6.9.1",
            "more DATA than the window",
            &std::iter::once(post())
                .chain((0..1200).map(|_| frame(Kind::Data, 0, 1, &[0; 16_384])))
                .collect::<Vec<_>>(),
            Either(FlowControlError),
        ),
        goaway("h2-headers-0", S62, "HEADERS of no stream", &[get(0)], ProtocolError),
        goaway("h2-headers-even", S51, "HEADERS of an even stream", &[get(2)], ProtocolError),
        goaway(
            "h2-headers-padding",
            S62,
            "more padding than HEADERS",
            &[headers(END_HEADERS | PADDED, 1, &[9, 0])],
            ProtocolError,
        ),
        goaway("h2-headers-again", S51, "a stream below one that was used", &[get(5), get(3)], ProtocolError),
        goaway(
            "h2-headers-ended",
            S5,
            "HEADERS behind the end of its stream",
            &[get(1), get(1)],
            ProtocolError,
        ),
        goaway("h2-reset-0", S64, "RST_STREAM of no stream", &[reset(0)], ProtocolError),
        goaway("h2-reset-idle", S64, "RST_STREAM of an idle stream", &[reset(1)], ProtocolError),
        goaway(
            "h2-reset-length",
            S64,
            "RST_STREAM of 3 bytes",
            &[post(), frame(Kind::Reset, 0, 1, &[0; 3])],
            ProtocolError,
        ),
        Frames::new(
            "h2-continuation",
            S610,
            "a header block in two frames",
            &[begun(), ended(1)],
            Answer(200),
        )
        .sees(&["GET /x"]),
        goaway("h2-continuation-alone", S610, "CONTINUATION of nothing", &[ended(1)], ProtocolError),
        goaway(
            "h2-continuation-behind",
            S610,
            "CONTINUATION behind the block's end",
            &[post(), ended(1)],
            ProtocolError,
        ),
        goaway(
            "h2-continuation-other",
            S610,
            "CONTINUATION of another stream",
            &[begun(), ended(3)],
            ProtocolError,
        ),
        goaway(
            "h2-continuation-data",
            S610,
            "DATA within a header block",
            &[begun(), last(1, "x")],
            ProtocolError,
        ),
        goaway(
            "h2-continuation-headers",
            S610,
            "HEADERS within a header block",
            &[begun(), get(3)],
            ProtocolError,
        ),
        goaway(
            "h2-continuation-flood",
            "CVE-2024-24549",
            "CONTINUATION without end",
            &flood,
            EnhanceYourCalm,
        ),
        goaway(
            "h2-continuation-empty",
            "CVE-2024-24549",
            "empty CONTINUATION without end",
            &empty,
            EnhanceYourCalm,
        ),
        goaway(
            "h2-rapid-reset",
            "CVE-2023-44487",
            "1,500 requests, each reset at once",
            &rapid,
            EnhanceYourCalm,
        ),
        goaway(
            "h2-hpack-index",
            HPACK,
            "an index beyond the table",
            &[headers(5, 1, &[0xff, 0xff, 0x7f])],
            ProtocolError,
        ),
        goaway("h2-hpack-zero", HPACK, "index 0", &[headers(5, 1, &[0x80])], ProtocolError),
        goaway(
            "h2-hpack-short",
            HPACK,
            "a field that is cut short",
            &[headers(5, 1, &[0x00, 0x05, b'x'])],
            ProtocolError,
        ),
        goaway(
            "h2-hpack-number",
            HPACK,
            "a number without end",
            &[headers(5, 1, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
            ProtocolError,
        ),
        goaway(
            "h2-hpack-huffman",
            HPACK,
            "a Huffman code of its end",
            &[headers(5, 1, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00])],
            ProtocolError,
        ),
        goaway(
            "h2-hpack-size",
            HPACK,
            "a table larger than we said",
            &[headers(5, 1, &[0x3f, 0xe1, 0xff, 0x03])],
            ProtocolError,
        ),
    ]
}
