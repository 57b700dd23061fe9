//! The dialect of each title, as a value. Most of what is known comes from the emulators that serve their clients; docs/ has a page for each.

use crate::cipher::Scope;
use crate::config::{Bundles, CompressionFlag, Config, CrcSeed, Pass, Probe, Role};

/// The titles whose dialects are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Preset {
    /// Protocol version 3 as its titles speak it.
    #[default]
    Default = 0,
    /// PlanetSide 2.
    PlanetSide2 = 1,
    /// H1Z1.
    H1Z1 = 2,
    /// Landmark: its login server. The gateway has no passes.
    Landmark = 3,
    /// Free Realms.
    FreeRealms = 4,
    /// Star Wars Galaxies.
    StarWarsGalaxies = 5,
    /// EverQuest: its login and world servers. The zone has [`Pass::Compress`] first, the old chat server [`Pass::Xor`].
    EverQuest = 6,
    /// EverQuest II.
    EverQuest2 = 7,
    /// PlanetSide (2003), inside its envelope, which the host puts on and takes off.
    PlanetSide = 8,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 9] = [
        Preset::Default,
        Preset::PlanetSide2,
        Preset::H1Z1,
        Preset::Landmark,
        Preset::FreeRealms,
        Preset::StarWarsGalaxies,
        Preset::EverQuest,
        Preset::EverQuest2,
        Preset::PlanetSide,
    ];
}

impl Config {
    /// The settings of a title, for its servers and for its clients. What a title's servers differ in, the host sets: the name, and the passes of some.
    ///
    /// ```
    /// let zone = soe::Config { passes: [soe::Pass::Compress, soe::Pass::None], ..soe::Config::preset(soe::Preset::EverQuest) };
    /// assert!(zone.validate().is_ok());
    /// ```
    pub fn preset(preset: Preset) -> Config {
        match preset {
            Preset::Default => Config::default(),
            Preset::PlanetSide2 => Config {
                passes: [Pass::Compress, Pass::None],
                // Its servers say 00 and were never seen to compress.
                compression_threshold: u32::MAX,
                // Captures show a server that acknowledges every packet.
                ack_every_packet: true,
                multi_varint: true,
                bundles: Bundles::LongFrom255,
                ..Config::default()
            },
            Preset::H1Z1 => Config {
                bundles: Bundles::Never,
                cipher_scope: Scope::ReliableAndOrdered,
                // A gateway drops who is silent for 20 s, a login server after 40.
                heartbeat_ms: 10_000,
                inactivity_timeout_ms: 40_000,
                send_window: 300,
                ..Config::default()
            },
            Preset::Landmark => Config {
                crc_seed: CrcSeed::Fixed(0),
                passes: [Pass::Compress, Pass::None],
                compression_threshold: u32::MAX,
                bundles: Bundles::Never,
                cipher_scope: Scope::ReliableAndOrdered,
                escape_reliable: true,
                // More at once "overwhelms the client". It grows where acknowledgements come.
                send_window: 50,
                ..Config::default()
            },
            Preset::FreeRealms => Config {
                passes: [Pass::Compress, Pass::None],
                compression_level: 6,
                // Its own 29 s leave one second, and one chance, before the 30 s after which the other side gives up.
                heartbeat_ms: 20_000,
                unacknowledged_timeout_ms: 120_000,
                ..udp_library()
            },
            Preset::StarWarsGalaxies => Config {
                protocol_version: 2,
                confirm_has_version: false,
                udp_length: 496,
                passes: [Pass::Compress, Pass::Xor],
                compression_flag: CompressionFlag::Trailing,
                compression_threshold: 100,
                compression_level: 6,
                max_inflated: 800,
                heartbeat_ms: 15_000,
                inactivity_timeout_ms: 46_000,
                // Its servers drop a client that hasn't asked for 50 s.
                net_status_ms: 45_000,
                ack_every_packet: true,
                // The client answers the long form with 11s.
                bundles: Bundles::Short,
                send_window: 50,
                send_queue_bytes: 2 * 1024 * 1024,
                ..udp_library()
            },
            Preset::EverQuest => Config {
                protocol_version: 0,
                request_has_name: false,
                disconnect_has_reason: false,
                confirm_has_version: false,
                compression_flag: CompressionFlag::LeadingEverQuest,
                compression_threshold: 31,
                max_inflated: 4096,
                connect_retry_ms: 500,
                heartbeat_ms: 9_000,
                inactivity_timeout_ms: 60_000,
                unacknowledged_timeout_ms: 30_000,
                ack_every_packet: true,
                // Its clients send bundles; nobody is known to have sent them any.
                bundles: Bundles::Never,
                send_window: 300,
                ..udp_library()
            },
            Preset::EverQuest2 => Config {
                protocol_version: 0,
                request_has_name: false,
                crc_seed: CrcSeed::Fixed(0x3362_4702),
                accept_zero_crc: true,
                passes: [Pass::Compress, Pass::None],
                compression_flag: CompressionFlag::LeadingEverQuest,
                compression_threshold: 31,
                cipher_by_host: true,
                cipher_drop: 20,
                cipher_scope: Scope::Reliable,
                heartbeat_ms: 10_000,
                answer_heartbeats: true,
                // A server sends its key request with the first one.
                net_status_ms: 45_000,
                // Acknowledging what comes early "causes infinite loops".
                ack_early: false,
                // What the client makes of the long form is not known.
                bundles: Bundles::Short,
                ..udp_library()
            },
            Preset::PlanetSide => Config {
                protocol_version: 2,
                udp_length: 467,
                // The envelope has a MAC.
                crc_length: 0,
                // Its emulator reads the bytes of the long form the other way round.
                bundles: Bundles::Short,
                ..udp_library()
            },
        }
    }
}

/// What all have in common that speak to UdpLibrary itself: sections 6 to 10 of its specification.
fn udp_library() -> Config {
    Config {
        confirm_smaller_length: true,
        passes_cover_raw: true,
        escape_reliable: true,
        multi_raw: true,
        // Heartbeats are taken in silence, so each side sends its own; a question is what is answered.
        heartbeat_by: Role::Both,
        answer_heartbeats: false,
        probe: Probe::NetStatus,
        net_status_by: Role::Client,
        thorough_peers: true,
        // One for all that came before a drain.
        ack_delay_us: 0,
        send_window: 400,
        unacknowledged_timeout_ms: 90_000,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of dialects.md, as far as it is the wire's: name, version, length of the SessionResponse, UDP length, CRC, passes, name asked for, reason said.
    #[test]
    fn presets_are_what_is_known_of_the_titles() {
        use Pass::{Compress, None as Plain, Xor};
        let known = [
            (Preset::Default, 3, 21, 512, 2, [Plain, Plain], true, true),
            (Preset::PlanetSide2, 3, 21, 512, 2, [Compress, Plain], true, true),
            (Preset::H1Z1, 3, 21, 512, 2, [Plain, Plain], true, true),
            (Preset::Landmark, 3, 21, 512, 2, [Compress, Plain], true, true),
            (Preset::FreeRealms, 3, 21, 512, 2, [Compress, Plain], true, true),
            (Preset::StarWarsGalaxies, 2, 17, 496, 2, [Compress, Xor], false, true),
            (Preset::EverQuest, 3, 17, 512, 2, [Plain, Plain], false, false),
            (Preset::EverQuest2, 3, 21, 512, 2, [Compress, Plain], false, true),
            (Preset::PlanetSide, 2, 21, 467, 0, [Plain, Plain], false, true),
        ];
        assert_eq!(known.map(|row| row.0), Preset::ALL);
        for (at, (preset, version, response, udp_length, crc_length, passes, has_names, has_reason)) in known.into_iter().enumerate() {
            let config = Config::preset(preset);
            assert_eq!(preset as usize, at);
            assert_eq!(config.validate(), Ok(()));
            assert_eq!((config.version_sent(), if config.confirm_has_version { 21 } else { 17 }), (version, response), "{preset:?}");
            assert_eq!((config.udp_length, config.crc_length, config.passes), (udp_length, crc_length, passes), "{preset:?}");
            assert_eq!((config.has_names(), config.disconnect_has_reason), (has_names, has_reason), "{preset:?}");
        }
    }

    /// A peer that is heard often enough to live, even if some of it is lost.
    #[test]
    fn silence_is_broken_at_least_twice_before_it_ends_a_session() {
        for preset in Preset::ALL {
            let config = Config::preset(preset);
            let asks = if config.probe == Probe::Heartbeat { config.heartbeat_ms } else { config.inactivity_timeout_ms / 2 };
            assert!(asks.max(config.heartbeat_ms) + 2_000 < config.inactivity_timeout_ms, "{preset:?}");
        }
    }
}
