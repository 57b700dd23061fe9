//! Two multiplexers of one dialect and messages of 1 byte to 200 kB, each way, on every channel, while one datagram in twenty is lost.

use crate::common::*;
use soe::{
    Bundles, Channel, Cipher, CompressionFlag, Config, Congestion, CrcSeed, Direction, EndedBy, Key, Pass, Preset, Probe, Role, Scope,
    reason,
};

const LOSSY: Path = Path { delay_us: 10_000, jitter_us: 3_000, loss_percent: 5, duplicate_percent: 1 };
const UNRELIABLE: [Channel; 3] = [Channel::Unreliable, Channel::Ordered, Channel::Ordered2];

/// What one side sends on each channel.
struct Cargo {
    reliable: [Vec<Vec<u8>>; 4],
    lossy: [Vec<Vec<u8>>; 3],
}

impl Cargo {
    /// Where channels share a key stream, only one of them: what overtakes or is lost puts the two ends of it out of step.
    fn new(seed: u64, udp_length: usize, longest: usize, scope: Scope) -> Self {
        let mut random = Random::new(seed);
        let mut lengths = vec![1, 1, 2, 3, 253, 254, 255, 256, 400, longest];
        // About what fits a packet, whatever CRC and passes take.
        lengths.extend((udp_length.saturating_sub(20)..=udp_length).filter(|len| *len > 0));
        lengths.extend((0..20).map(|_| 1 + random.below(60) as usize));
        let message = |len: usize, random: &mut Random| {
            // What is text deflates, what is noise does not.
            let mut message =
                if random.percent(50) { noise(len, random.next_u64()) } else { b"all the same ".repeat(len / 13 + 1)[..len].to_vec() };
            const HEADS: [&[u8]; 6] = [&[0], &[0, 0x19], &[0, 0], &[0, 3], &[0, 9, 0, 0], &[0, 0x19, 1, 0]];
            let head = HEADS.get(random.below(12) as usize).copied().unwrap_or_default();
            let len = len.min(head.len());
            message[..len].copy_from_slice(&head[..len]);
            message
        };
        let mut reliable: [Vec<Vec<u8>>; 4] = Default::default();
        while let Some(len) = (!lengths.is_empty()).then(|| lengths.swap_remove(random.below(lengths.len() as u64) as usize)) {
            let channel = if scope != Scope::PerChannel { 0 } else { random.below(4) as usize };
            reliable[channel].push(message(len, &mut random));
        }
        let ordered = if scope == Scope::ReliableAndOrdered { 0 } else { 10 };
        let lossy = [10, ordered, ordered]
            .map(|count| (0..count).map(|_| message(1 + random.below(udp_length as u64 + 10) as usize, &mut random)).collect());
        Cargo { reliable, lossy }
    }

    /// Sends the next message of each channel, if it is taken. True when all are sent.
    fn send(&self, sent: &mut [usize; 7], node: &mut Node, id: soe::SessionId) -> bool {
        let lossy = UNRELIABLE.into_iter().zip(&self.lossy);
        let mut all = true;
        for (at, (channel, messages)) in RELIABLE.into_iter().zip(&self.reliable).chain(lossy).enumerate() {
            if let Some(message) = messages.get(sent[at]) {
                sent[at] += usize::from(node.mux.send(id, channel, message).is_ok());
                all = false;
            }
        }
        all
    }

    /// That all that is reliable arrived in order, and of the rest nothing that was not sent. What is too long to be lossy goes over channel 0.
    fn assert_arrived(&self, node: &Node, title: &str) {
        for (channel, sent) in RELIABLE.into_iter().zip(&self.reliable).skip(1) {
            let got = node.messages_on(channel);
            assert_eq!(
                got.iter().map(|m| m.len()).collect::<Vec<_>>(),
                sent.iter().map(Vec::len).collect::<Vec<_>>(),
                "{title}: {channel:?}"
            );
            assert!(got == *sent, "{title}: {channel:?}: the same lengths, but other bytes");
        }
        let promoted = |message: &&[u8]| self.lossy.iter().flatten().any(|lossy| lossy == message);
        let mut got: Vec<&[u8]> = node.messages_on(Channel::Reliable0);
        let expected: Vec<&[u8]> = self.reliable[0].iter().map(Vec::as_slice).collect();
        let mut expected_left = expected.iter().peekable();
        got.retain(|message| {
            let next = expected_left.peek() == Some(&message);
            if next {
                expected_left.next();
            }
            next || !promoted(message)
        });
        assert!(got == expected, "{title}: channel 0");
        for (channel, sent) in UNRELIABLE.into_iter().zip(&self.lossy) {
            for message in node.messages_on(channel) {
                assert!(sent.iter().any(|sent| sent == message), "{title}: {channel:?} delivered what nobody sent: {}", hex(message));
            }
        }
    }
}

/// Two sides exchange it all; the client ends the session. With different keys each way where the title's are.
fn exchange(title: &str, seed: u64, client: Config, server: Config, keys: Option<[Cipher; 2]>, longest: usize) -> Pair {
    let udp_length = client.udp_length.min(server.udp_length) as usize;
    let scope = match &keys {
        Some([cipher, _]) => cipher.scope,
        None if client.cipher_key.is_some() => client.cipher_scope,
        None => Scope::PerChannel,
    };
    let wire_reason = if client.disconnect_has_reason { reason::APPLICATION } else { 0 };
    let at_request = server.connected_at_request;
    let mut pair = Pair::over(LOSSY, seed, client, server).tapped().connect();
    if let Some([theirs, ours]) = keys {
        let turned = |cipher: &Cipher, direction| Cipher { direction, ..cipher.clone() };
        pair.server.mux.set_cipher(pair.peer, &turned(&ours, Direction::Send)).unwrap();
        pair.server.mux.set_cipher(pair.peer, &turned(&theirs, Direction::Receive)).unwrap();
        pair.client.mux.set_cipher(pair.id, &turned(&theirs, Direction::Send)).unwrap();
        pair.client.mux.set_cipher(pair.id, &turned(&ours, Direction::Receive)).unwrap();
    }
    let [up, down] = [seed, !seed].map(|seed| Cargo::new(seed, udp_length, longest, scope));
    let mut sent = [[0; 7]; 2];
    loop {
        let all_up = up.send(&mut sent[0], &mut pair.client, pair.id);
        let all_down = down.send(&mut sent[1], &mut pair.server, pair.peer);
        if all_up && all_down {
            break;
        }
        pair.drive(3 * MS);
    }
    let queued = |node: &Node, id| node.mux.info(id).map_or(0, |info| info.queued_bytes);
    let done = pair.drive_until(60 * SECOND, |p| queued(&p.client, p.id) + queued(&p.server, p.peer) == 0);
    assert!(done, "{title}: {} bytes left up, {} down", queued(&pair.client, pair.id), queued(&pair.server, pair.peer));
    assert_eq!((pair.client.disconnected(), pair.server.disconnected()), (None, None), "{title}: lives");
    pair.drive(3 * SECOND);
    up.assert_arrived(&pair.server, title);
    down.assert_arrived(&pair.client, title);
    let longest =
        pair.tap.take().unwrap().iter().filter(|tapped| !matches!(tapped.data[..], [0, 1 | 2, ..])).map(|tapped| tapped.data.len()).max();
    assert!(longest <= Some(udp_length), "{title}: a datagram of {longest:?} bytes where {udp_length} were agreed");
    let [up, down] = [pair.server.mux.stats(), pair.client.mux.stats()];
    assert_eq!((up.dropped_malformed, down.dropped_malformed, up.dropped_crc), (0, 0, 0), "{title}: malformed, or of another seal");
    // What a server says as soon as it is asked may overtake its response.
    assert!(down.dropped_crc == 0 || at_request, "{title}: of another seal");
    pair.rough(Path::CLEAN);
    pair.client.mux.disconnect(pair.id, reason::APPLICATION, soe::Disconnect::Flush).unwrap();
    assert!(pair.drive_until(20 * SECOND, |p| p.server.disconnected().is_some()), "{title}: the goodbye arrives");
    assert_eq!(pair.server.disconnected(), Some((EndedBy::Peer, wire_reason)), "{title}");
    pair
}

/// EverQuest II's: eight bytes one way, their complement the other.
fn different_keys() -> [Cipher; 2] {
    let key = 0x0123_4567_89ab_cdef_u64;
    [!key, key].map(|key| Cipher {
        direction: Direction::Both,
        key: Some(Key::new(&key.to_le_bytes()).unwrap()),
        drop: 20,
        scope: Scope::Reliable,
    })
}

#[test]
fn every_preset_carries_1_byte_to_200_kb_under_loss() {
    for preset in Preset::ALL {
        for seed in 1..=3 {
            let title = format!("{preset:?}, seed {seed}");
            let keys = (preset == Preset::EverQuest2).then(different_keys);
            let config = Config { rng_seed: seed, ..Config::preset(preset) };
            exchange(&title, seed, config.clone(), config, keys, 200_000);
        }
    }
}

/// What a title's servers differ in.
#[test]
fn every_kind_of_server_of_a_title_carries_it_too() {
    let zone = Config { passes: [Pass::Compress, Pass::None], ..Config::preset(Preset::EverQuest) };
    let chat = Config { passes: [Pass::Xor, Pass::None], ..Config::preset(Preset::EverQuest) };
    let both = Config { passes: [Pass::Compress, Pass::Xor], ..Config::preset(Preset::EverQuest) };
    let gateway = Config { passes: [Pass::None; 2], ..Config::preset(Preset::Landmark) };
    let keyed = |preset| Config { cipher_key: Some(Key::new(b"a key of 16 byte").unwrap()), ..Config::preset(preset) };
    let servers = [
        ("zone", zone),
        ("chat", chat),
        ("compressed chat", both),
        ("gateway", gateway),
        ("PlanetSide 2 keyed", keyed(Preset::PlanetSide2)),
        ("H1Z1 keyed", keyed(Preset::H1Z1)),
        ("Landmark keyed", keyed(Preset::Landmark)),
    ];
    for (seed, (title, config)) in (100..).zip(servers) {
        let config = Config { rng_seed: seed, ..config };
        exchange(title, seed, config.clone(), config, None, 200_000);
    }
}

/// A client and a server of one dialect, drawn from everything that the config can say.
fn drawn(seed: u64) -> (Config, Config, Option<[Cipher; 2]>) {
    let mut random = Random::new(seed ^ 0xd1a1_ec75);
    let mut pick = |of: u64| random.below(of) as usize;
    let passes = [Pass::None, Pass::Compress, Pass::Compress2, Pass::XorBuffer, Pass::Xor];
    let roles = [Role::Client, Role::Server, Role::Both];
    let lengths = [64, 100, 200, 467, 496, 512, 512, 512, 1000, 1400, 4096, 16_384];
    let scopes = [Scope::PerChannel, Scope::Reliable, Scope::ReliableAndOrdered];
    let one = Config {
        application_protocol: [None, Some(PROTOCOL.to_vec())][pick(2)].clone(),
        protocol_version: [0, 2, 3][pick(3)],
        request_has_name: pick(2) == 0,
        disconnect_has_reason: pick(4) > 0,
        confirm_has_version: pick(2) == 0,
        confirm_smaller_length: pick(2) == 0,
        udp_length: lengths[pick(12)],
        crc_length: pick(5) as u8,
        crc_seed: [CrcSeed::Random, CrcSeed::Fixed(0), CrcSeed::Fixed(0xEF7D_E876)][pick(3)],
        accept_zero_crc: pick(8) == 0,
        passes: [passes[pick(5)], passes[pick(5)]],
        passes_cover_raw: pick(2) == 0,
        compression_flag: [CompressionFlag::Leading, CompressionFlag::LeadingEverQuest, CompressionFlag::Trailing][pick(3)],
        compression_threshold: [0, 1, 24, 31, 100, u32::MAX][pick(6)],
        compression_level: 1 + pick(9) as u32,
        max_inflated: [1, 800, 4096, 8192][pick(4)],
        cipher_key: [None, Some(Key::new(&[1, 2, 3, 4, 5]).unwrap())][pick(2)].clone(),
        cipher_drop: [0, 20, 1536][pick(3)],
        cipher_scope: scopes[pick(3)],
        cipher_by_host: pick(4) == 0,
        connected_at_request: pick(4) == 0,
        heartbeat_by: roles[pick(3)],
        answer_heartbeats: pick(2) == 0,
        probe: [Probe::Heartbeat, Probe::NetStatus][pick(2)],
        net_status_ms: [0, 0, 5_000][pick(3)],
        net_status_by: roles[pick(3)],
        answer_net_status: pick(4) > 0,
        unacknowledged_timeout_ms: [0, 90_000][pick(2)],
        ack_delay_us: [0, 2_000, 20_000][pick(3)],
        ack_every_packet: pick(2) == 0,
        ack_early: pick(4) > 0,
        thorough_peers: pick(2) == 0,
        redundancy: [0, 0, 1, 3][pick(4)],
        allow_address_remap: pick(2) == 0,
        multi_raw: pick(2) == 0,
        multi_varint: pick(2) == 0,
        bundles: [Bundles::LongFrom254, Bundles::LongFrom255, Bundles::Short, Bundles::Never][pick(4)],
        escape_reliable: pick(2) == 0,
        congestion: [Congestion::Adaptive, Congestion::Adaptive, Congestion::Fixed][pick(3)],
        send_window: [50, 256, 400][pick(3)],
        rng_seed: seed,
        ..Config::default()
    };
    // What need not be the same on both sides.
    let other = Config {
        udp_length: lengths[pick(12)],
        crc_length: pick(5) as u8,
        passes: [Pass::None; 2],
        crc_seed: CrcSeed::Random,
        compression_threshold: [0, 24, u32::MAX][pick(3)],
        confirm_has_version: pick(2) == 0,
        disconnect_has_reason: pick(2) == 0,
        bundles: [Bundles::LongFrom254, Bundles::LongFrom255, Bundles::Short, Bundles::Never][pick(4)],
        ack_delay_us: [0, 2_000, 20_000][pick(3)],
        ack_every_packet: pick(2) == 0,
        ack_early: pick(4) > 0,
        thorough_peers: pick(2) == 0,
        redundancy: [0, 0, 1][pick(3)],
        multi_raw: pick(2) == 0,
        rng_seed: seed + 1,
        ..one.clone()
    };
    let keys = (one.cipher_key.is_none() && pick(3) == 0).then(different_keys);
    (other, one, keys)
}

#[test]
fn five_hundred_dialects_that_nobody_speaks_carry_it_as_well() {
    // tests/run has them all; without optimization they take minutes.
    let dialects = if cfg!(debug_assertions) { 50 } else { 500 };
    for seed in 0..dialects {
        let (client, server, keys) = drawn(seed);
        exchange(&format!("seed {seed}: server {server:?}"), seed, client, server, keys, 200_000);
    }
}

/// Where a packet has room for six bytes.
#[test]
fn the_shortest_datagrams_carry_it_in_every_dialect() {
    for seed in 1000..1000 + if cfg!(debug_assertions) { 10 } else { 60 } {
        let (client, server, keys) = drawn(seed);
        let (client, server) = (Config { udp_length: 16, ..client }, Config { udp_length: 16 + seed as u32 % 3, ..server });
        exchange(&format!("seed {seed}: server {server:?}"), seed, client, server, keys, 3_000);
    }
}
