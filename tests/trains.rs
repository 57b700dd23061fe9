//! Datagrams of one size that stand one behind the other leave as a train, for hosts that ask for it.

use soe::{Address, Channel, Config, ConnectOptions, EventKind, Multiplexer};

fn address(text: &str) -> Address {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

/// Opens a session and sends `count` messages of 3,000 bytes; returns the longest train, how many drains' records there were and how many datagrams.
fn transfer(trains: bool, count: usize) -> (usize, usize, usize) {
    let config = Config { rng_seed: 5, trains, ..Default::default() };
    let (mut client, mut server) = (Multiplexer::new(config.clone(), 0).unwrap(), Multiplexer::new(config, 0).unwrap());
    let (here, there) = (address("10.0.0.1:1000"), address("10.0.0.2:2000"));
    let session = client.connect(0, &there, &ConnectOptions::default()).unwrap();
    let (mut longest, mut records, mut datagrams, mut sent, mut heard, mut now) = (0, 0, 0, 0, 0, 0);
    while heard < count {
        now += 1000;
        assert!(now < 60_000_000, "{heard} of {count} messages came");
        client.tick(now);
        server.tick(now);
        for lent in client.drain_outgoing(now, 16) {
            let size = if lent.segment_size == 0 { lent.data.len() } else { lent.segment_size as usize };
            assert!(size <= 512 && lent.data.len() <= 61_440 && lent.data.len() <= 64 * size);
            assert!(lent.segment_size == 0 || lent.data.len() > size, "a train of one is none");
            records += 1;
            for datagram in lent.data.chunks(size) {
                datagrams += 1;
                server.feed(now, &here, datagram);
            }
            longest = longest.max(lent.data.len() / size);
        }
        for lent in server.drain_outgoing(now, 16) {
            let size = if lent.segment_size == 0 { lent.data.len() } else { lent.segment_size as usize };
            lent.data.chunks(size).for_each(|datagram| client.feed(now, &there, datagram));
        }
        for event in server.drain_events(1000) {
            if let EventKind::Message { data, .. } = event.kind {
                assert_eq!(data, vec![heard as u8; 3000]);
                heard += 1;
            }
        }
        let connected = client.drain_events(16).any(|event| matches!(event.kind, EventKind::Connected { .. }));
        while (connected || sent > 0) && sent < count && client.send(session, Channel::Reliable0, &vec![sent as u8; 3000]).is_ok() {
            sent += 1;
        }
    }
    assert_eq!(server.stats().dropped_crc, 0);
    (longest, records, datagrams)
}

#[test]
fn full_packets_leave_as_trains_where_the_host_asks_for_it() {
    let (longest, records, datagrams) = transfer(true, 200);
    assert!(longest >= 4, "{longest}");
    assert!(records * 2 < datagrams, "{records} records for {datagrams} datagrams");
}

#[test]
fn nobody_gets_a_train_unasked() {
    let (longest, records, datagrams) = transfer(false, 200);
    assert_eq!((longest, records), (1, datagrams));
}

#[test]
fn what_is_copied_into_a_buffer_comes_one_by_one() {
    let config = Config { rng_seed: 5, trains: true, ..Default::default() };
    let (mut client, mut server) = (Multiplexer::new(config.clone(), 0).unwrap(), Multiplexer::new(config, 0).unwrap());
    let (here, there) = (address("10.0.0.1:1000"), address("10.0.0.2:2000"));
    let session = client.connect(0, &there, &ConnectOptions::default()).unwrap();
    client.drain_outgoing(0, 16).for_each(|datagram| server.feed(0, &here, datagram.data));
    server.drain_outgoing(0, 16).for_each(|datagram| client.feed(0, &there, datagram.data));
    client.send(session, Channel::Reliable0, &[1; 9_000]).unwrap();
    let mut buffer = vec![0; 16 * client.udp_length() as usize];
    let mut sizes = Vec::new();
    let count = client.drain_outgoing_into(0, &mut buffer, 16, |datagram| sizes.push((datagram.data.len(), datagram.segment_size)));
    assert_eq!(count, sizes.len());
    assert!(count > 10 && sizes.iter().all(|&(len, segment)| len <= 512 && segment == 0), "{sizes:?}");
}
