//! The titles, a row for each kind of server that one of their clients meets. Numbers are from dialects.md, by the section named at each row; a client of
//! which it says nothing behaves like UdpLibrary (udplibrary.md), of which every dialect is a variant.

use crate::transforms::{Codec, Flag, Zlib};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Game {
    EverQuest,
    EverQuest2,
    StarWarsGalaxies,
    PlanetSide,
    FreeRealms,
    H1Z1,
    PlanetSide2,
    Landmark,
}

/// What a client does with the payload of a reliable packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Everything goes through one dispatcher (udplibrary.md 1.2): what begins with 00 is a packet of its own, so data that does is escaped on every channel.
    UdpLibrary,
    /// A bundle if it begins with 00 19, else data as it is.
    Version3,
    /// The same, but data that begins with 00 is escaped, ciphered or not (2.8).
    Version3Escaped,
}

/// Groups (19) that one side makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    None,
    /// Of members shorter than this, whose length is one byte.
    Short(usize),
    /// Of any, and lengths from this on take three bytes.
    Any(usize),
}

impl Groups {
    pub(crate) fn long_from(self) -> usize {
        match self {
            Groups::None => 255,
            Groups::Short(from) | Groups::Any(from) => from,
        }
    }

    pub(crate) fn takes(self, member: usize) -> bool {
        match self {
            Groups::None => false,
            Groups::Short(from) => member < from,
            Groups::Any(_) => true,
        }
    }
}

/// When a client acknowledges in-order data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acks {
    /// A 15 for every packet.
    Each,
    /// One that is still held is overwritten (udplibrary.md 5.4).
    Deduped,
    /// One so many microseconds after the last, or for so many packets.
    Every { us: u64, packets: u32 },
}

/// What a client makes of a 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    Erase,
    /// And what was sent before that packet was lost.
    FastResend,
}

/// When a client sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resend {
    /// Of the round trip.
    pub(crate) percent: u64,
    pub(crate) add_ms: u64,
    pub(crate) min_ms: u64,
    pub(crate) cap_ms: u64,
    /// Everything that is under way, once the oldest is due.
    pub(crate) whole_window: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    None,
    /// Both ways, from the first message.
    FromStart(&'static [u8]),
    /// Both ways, behind the client's first message.
    AtLogin(&'static [u8]),
    /// The server asks for a key, and the client chooses one (2.2).
    Exchanged,
}

/// How a receiver takes off what a sender put before ciphertext that begins with 00 (2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strip {
    /// One 00, where more follows.
    Single,
    /// One 00 of two.
    Double,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) game: Game,
    pub(crate) server: &'static str,
    pub(crate) family: Family,
    /// The version in the SessionRequest.
    pub(crate) version: u32,
    /// The application protocol in the SessionRequest.
    pub(crate) name: Option<&'static str>,
    pub(crate) udp_length: u32,
    /// What the SessionResponse offers.
    pub(crate) server_udp_length: u32,
    /// Bytes of a SessionResponse.
    pub(crate) response: usize,
    /// The version at its end, where clients can count on it.
    pub(crate) response_version: Option<u32>,
    /// The CRC seed, where it is a constant.
    pub(crate) seed: Option<u32>,
    pub(crate) crc: usize,
    pub(crate) zero_crc: bool,
    pub(crate) passes: [u8; 2],
    pub(crate) zlib: Zlib,
    /// False: the title's servers only ever write the flag for "stored".
    pub(crate) server_compresses: bool,
    /// Raw application packets are in use.
    pub(crate) raw: bool,
    /// Reliable channels in use.
    pub(crate) channels: &'static [usize],
    pub(crate) client_groups: Groups,
    pub(crate) server_groups: Groups,
    /// The longest element that a client puts into a MultiPacket; 0: it makes none.
    pub(crate) multi: usize,
    /// How long a client holds what could share a datagram.
    pub(crate) hold_ms: u64,
    pub(crate) acks: Acks,
    /// False: the client says nothing to what it already acknowledged.
    pub(crate) acks_again: bool,
    /// The server acknowledges packets ahead of a gap with 11.
    pub(crate) server_acks_early: bool,
    /// And every packet in order with a 15 of its own.
    pub(crate) server_acks_each: bool,
    pub(crate) early: Early,
    pub(crate) resend: Resend,
    /// Reliable packets under way at most.
    pub(crate) window: u64,
    /// And held ahead of a gap.
    pub(crate) receive_window: u64,
    pub(crate) connect_retry_ms: u64,
    pub(crate) heartbeat_ms: u64,
    /// The server must answer heartbeats.
    pub(crate) heartbeat_answered: bool,
    /// How long the client bears silence.
    pub(crate) no_data_ms: u64,
    /// How often the client sends 07; a client that never does cannot bear 07 and 08 at all.
    pub(crate) clock_sync_ms: Option<u64>,
    pub(crate) disconnect_reason: bool,
    pub(crate) cipher: Cipher,
    /// One key stream for all reliable channels.
    pub(crate) cipher_shared: bool,
    pub(crate) strip: Strip,
}

impl Title {
    pub(crate) fn codec(&self, seed: u32) -> Codec {
        Codec { seed, crc: self.crc, passes: self.passes, zlib: self.zlib, zero_crc: self.zero_crc }
    }

    /// Knows nothing but what Sanctuary and soe-protocol know (README.md, "To v3 peers").
    pub(crate) fn is_version_3(&self) -> bool {
        self.family != Family::UdpLibrary
    }
}

/// What all clients that are UdpLibrary have in common (udplibrary.md 5.5, 7, 8, 10), in version 2.
const UDP_LIBRARY: Title = Title {
    game: Game::StarWarsGalaxies,
    server: "",
    family: Family::UdpLibrary,
    version: 2,
    name: None,
    udp_length: 512,
    server_udp_length: 512,
    response: 21,
    response_version: Some(2),
    seed: None,
    crc: 2,
    zero_crc: false,
    passes: [0, 0],
    zlib: Zlib { flag: Flag::Leading, from: usize::MAX, only_if_smaller: true, cap: 512 },
    server_compresses: true,
    raw: true,
    channels: &[0],
    client_groups: Groups::Any(254),
    server_groups: Groups::Any(254),
    multi: 255,
    hold_ms: 50,
    acks: Acks::Deduped,
    acks_again: true,
    server_acks_early: true,
    server_acks_each: false,
    early: Early::FastResend,
    resend: Resend { percent: 125, add_ms: 300, min_ms: 0, cap_ms: 8000, whole_window: false },
    window: 400,
    receive_window: 400,
    connect_retry_ms: 1000,
    heartbeat_ms: 29_000,
    heartbeat_answered: false,
    no_data_ms: 90_000,
    clock_sync_ms: Some(45_000),
    disconnect_reason: true,
    cipher: Cipher::None,
    cipher_shared: true,
    strip: Strip::Double,
};

/// EverQuest's login and world servers (2.1), as EQEmu is a client of them: no passes, a request and a disconnect that end early, no groups of its own, a 15 for
/// each packet, everything sent again once the oldest is due.
pub(crate) const EVERQUEST: Title = Title {
    game: Game::EverQuest,
    server: "login and world",
    version: 3,
    response: 17,
    response_version: None,
    client_groups: Groups::None,
    server_groups: Groups::None,
    acks: Acks::Each,
    server_acks_each: true,
    early: Early::Erase,
    resend: Resend { percent: 150, add_ms: 100, min_ms: 300, cap_ms: 5000, whole_window: true },
    // 300 packets in a burst; by sequences it takes 10,000 ahead.
    window: 300,
    receive_window: 10_000,
    connect_retry_ms: 500,
    heartbeat_ms: 9_000,
    no_data_ms: 60_000,
    disconnect_reason: false,
    ..UDP_LIBRARY
};

/// Its zone servers: compression in bodies of more than 30 bytes, at most 4096 of them when inflated.
pub(crate) const EVERQUEST_ZONE: Title = Title {
    server: "zone",
    passes: [1, 0],
    zlib: Zlib { flag: Flag::LeadingEverQuest, from: 31, only_if_smaller: true, cap: 4096 },
    ..EVERQUEST
};

/// Its old chat server: XOR. The version in the request is ignored, so this one sends the older.
pub(crate) const EVERQUEST_OLD_CHAT: Title = Title { server: "old chat", version: 2, passes: [4, 0], ..EVERQUEST };

/// EverQuest II (2.2): a constant seed, 5a/a5 before bodies of more than 30 bytes without asking whether that gains anything, a trailer of zeros for a CRC, no 11,
/// groups of members of at most 256 bytes (so one-byte lengths), and RC4 that begins in mid-session. The version in its SessionResponse is garbage.
/// dialects.md calls its raw packets "odd": not used here.
pub(crate) const EVERQUEST_2: Title = Title {
    game: Game::EverQuest2,
    server: "login and world",
    response_version: None,
    seed: Some(0x3362_4702),
    zero_crc: true,
    passes: [1, 0],
    zlib: Zlib { flag: Flag::LeadingEverQuest, from: 31, only_if_smaller: false, cap: 512 },
    raw: false,
    client_groups: Groups::Short(254),
    server_groups: Groups::Short(255),
    server_acks_early: false,
    heartbeat_ms: 10_000,
    heartbeat_answered: true,
    cipher: Cipher::Exchanged,
    ..UDP_LIBRARY
};

/// Star Wars Galaxies (2.3; the client's settings are in udplibrary.md 10): zlib with the flag behind, then XOR; groups of short members only, because it answers
/// longer ones with 11s. Servers use channel 2 among themselves.
pub(crate) const STAR_WARS_GALAXIES: Title = Title {
    game: Game::StarWarsGalaxies,
    server: "login and zone",
    udp_length: 496,
    server_udp_length: 496,
    response: 17,
    response_version: None,
    passes: [1, 4],
    zlib: Zlib { flag: Flag::Trailing, from: 100, only_if_smaller: true, cap: 496 },
    channels: &[0, 2],
    client_groups: Groups::Short(255),
    server_groups: Groups::Short(255),
    resend: Resend { percent: 125, add_ms: 500, min_ms: 0, cap_ms: 5000, whole_window: false },
    heartbeat_ms: 15_000,
    no_data_ms: 46_000,
    ..UDP_LIBRARY
};

/// PlanetSide of 2003 (2.4), without its envelope: no CRC, no passes, 496 against 467, and long group lengths of which nobody knows the byte order.
pub(crate) const PLANETSIDE: Title = Title {
    game: Game::PlanetSide,
    server: "login and world",
    udp_length: 496,
    server_udp_length: 467,
    crc: 0,
    client_groups: Groups::Short(255),
    server_groups: Groups::Short(255),
    heartbeat_ms: 10_000,
    ..UDP_LIBRARY
};

/// Free Realms (2.5): version 3 with a name, otherwise UdpLibrary. Its RC4 is the application's own, and opaque to the transport.
pub(crate) const FREE_REALMS_LOGIN: Title = Title {
    game: Game::FreeRealms,
    server: "login",
    version: 3,
    name: Some("LoginUdp_6"),
    response_version: Some(3),
    passes: [1, 0],
    zlib: Zlib { flag: Flag::Leading, from: 24, only_if_smaller: true, cap: 512 },
    ..UDP_LIBRARY
};

pub(crate) const FREE_REALMS_GATEWAY: Title = Title { server: "gateway", name: Some("CGAPI_527"), ..FREE_REALMS_LOGIN };

/// The key that every login server of the version 3 titles shares (2.5, 2.6): base64 F70IaxuU8C/w7FPXY1ibXw==.
const LOGIN_KEY: [u8; 16] = [0x17, 0xbd, 0x08, 0x6b, 0x1b, 0x94, 0xf0, 0x2f, 0xf0, 0xec, 0x53, 0xd7, 0x63, 0x58, 0x9b, 0x5f];
/// Gateways hand over a random one.
const GATEWAY_KEY: [u8; 16] = [0x4b, 0x00, 0xe1, 0x07, 0x52, 0x99, 0x38, 0xcd, 0x10, 0xf3, 0x76, 0xa4, 0x0d, 0x61, 0xbe, 0x22];

/// PlanetSide 2 (2.7): one channel, no raw packets, no MultiPackets, no NetStatus; the flag byte, and nothing compressed; an acknowledgement now and then, and
/// never twice (its test for that is inverted); the whole window again after 500 ms.
pub(crate) const PLANETSIDE_2_LOGIN: Title = Title {
    game: Game::PlanetSide2,
    server: "login",
    family: Family::Version3,
    version: 3,
    name: Some("LoginUdp_10"),
    response_version: Some(3),
    passes: [1, 0],
    zlib: Zlib { flag: Flag::Leading, from: usize::MAX, only_if_smaller: true, cap: 4096 },
    server_compresses: false,
    raw: false,
    client_groups: Groups::Any(255),
    server_groups: Groups::Any(255),
    multi: 0,
    hold_ms: 0,
    acks: Acks::Every { us: 2_000, packets: 16 },
    acks_again: false,
    server_acks_each: true,
    early: Early::Erase,
    resend: Resend { percent: 0, add_ms: 500, min_ms: 500, cap_ms: 500, whole_window: true },
    window: 196,
    receive_window: 257,
    heartbeat_ms: 25_000,
    heartbeat_answered: true,
    no_data_ms: 30_000,
    clock_sync_ms: None,
    cipher: Cipher::FromStart(&LOGIN_KEY),
    cipher_shared: false,
    strip: Strip::Single,
    ..UDP_LIBRARY
};

/// Its gateway: "the application decides" about the cipher, and here it decides against: plaintext is where bundles and data look alike.
pub(crate) const PLANETSIDE_2_GATEWAY: Title =
    Title { server: "gateway", name: Some("ExternalGatewayApi_3"), cipher: Cipher::None, ..PLANETSIDE_2_LOGIN };

/// H1Z1 (2.6): no passes and so no flag, no groups, MultiPackets of elements below 255 bytes, one 15 per 24 ms, what lies before a 11 again at once, and one RC4
/// stream for all channels. At the login it runs from the start.
pub(crate) const H1Z1_LOGIN: Title = Title {
    game: Game::H1Z1,
    server: "login",
    name: Some("LoginUdp_9"),
    passes: [0, 0],
    client_groups: Groups::None,
    server_groups: Groups::None,
    multi: 254,
    hold_ms: 24,
    acks: Acks::Every { us: 24_000, packets: u32::MAX },
    acks_again: true,
    server_acks_each: false,
    early: Early::FastResend,
    resend: Resend { percent: 100, add_ms: 250, min_ms: 250, cap_ms: 8000, whole_window: false },
    window: 300,
    receive_window: 300,
    heartbeat_ms: 15_000,
    no_data_ms: 40_000,
    cipher_shared: true,
    strip: Strip::Double,
    ..PLANETSIDE_2_LOGIN
};

/// At the gateway it begins behind the LoginRequest, both ways before the LoginReply.
pub(crate) const H1Z1_GATEWAY: Title = Title {
    server: "gateway",
    name: Some("ExternalGatewayApi_3"),
    no_data_ms: 20_000,
    cipher: Cipher::AtLogin(&GATEWAY_KEY),
    ..H1Z1_LOGIN
};

/// Landmark (2.8): H1Z1's cipher, PlanetSide 2's flag, a CRC seed of 0, a 15 for each advance, the lost range again at a 11, 00 escaped with or without cipher.
/// Its emulator has no timer to send again; a client without one would never get a lost tail through, so this one is UdpLibrary's.
pub(crate) const LANDMARK_LOGIN: Title = Title {
    game: Game::Landmark,
    server: "login",
    family: Family::Version3Escaped,
    seed: Some(0),
    passes: [1, 0],
    multi: 0,
    hold_ms: 0,
    acks: Acks::Each,
    resend: Resend { percent: 125, add_ms: 300, min_ms: 0, cap_ms: 8000, whole_window: false },
    window: 50,
    no_data_ms: 40_000,
    ..H1Z1_LOGIN
};

pub(crate) const LANDMARK_GATEWAY: Title = Title {
    server: "gateway",
    name: Some("ExternalGatewayApi_3"),
    passes: [0, 0],
    cipher: Cipher::AtLogin(&GATEWAY_KEY),
    ..LANDMARK_LOGIN
};
