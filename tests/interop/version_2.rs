//! The current version, on all channels.

use super::*;

#[test]
fn plain_messages_of_all_sizes_on_four_channels() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        talk.exchange(&sizes(&RELIABLE), 30 * SECOND);
        talk.exchange(&sizes(&ONE), 30 * SECOND);
        talk.assert_alive();
    }
}

#[test]
fn rc4_on_four_channels() {
    for role in BOTH {
        let mut talk = Talk::current(role, rc4());
        talk.exchange(&sizes(&RELIABLE), 30 * SECOND);
        talk.assert_alive();
    }
}

/// Among 3,000 ciphertexts of one to three bytes about a dozen begin with a zero, which is doubled on the wire.
#[test]
fn rc4_whose_ciphertext_begins_with_zero() {
    for role in BOTH {
        let mut talk = Talk::current(role, rc4());
        let messages: Vec<_> = (0..3_000).map(|index| (Channel::Reliable0, noise(1 + index % 3, index as u64))).collect();
        talk.exchange(&messages, 60 * SECOND);
        talk.assert_alive();
    }
}

#[test]
fn the_compression_flag() {
    for role in BOTH {
        for setup in [flag(), rc4_and_flag()] {
            let mut talk = Talk::current(role, setup);
            talk.exchange(&sizes(&RELIABLE), 30 * SECOND);
            talk.assert_alive();
        }
    }
}

/// It never compresses, but it inflates: ours does where that makes a datagram smaller.
#[test]
fn what_we_compress_it_inflates() {
    for role in BOTH {
        let mut talk = Talk::current(role, flag());
        let flat: Vec<_> =
            [30, 100, 400, 505, 3_000, 60_000].into_iter().enumerate().map(|(index, size)| (RELIABLE[index % 4], vec![7; size])).collect();
        let before = talk.ours.mux.stats().bytes_sent;
        talk.exchange(&flat, 30 * SECOND);
        let wire = talk.ours.mux.stats().bytes_sent - before;
        assert!(wire < 32_000, "64 kB of one byte took {wire} bytes");
        talk.assert_alive();
    }
}

#[test]
fn small_messages_in_bundles() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        let messages: Vec<_> = (0..2_000usize).map(|index| (RELIABLE[index % 4], noise(1 + index % 40, index as u64))).collect();
        let before = talk.ours.mux.stats().datagrams_sent;
        talk.exchange(&messages, 30 * SECOND);
        let datagrams = talk.ours.mux.stats().datagrams_sent - before;
        assert!(datagrams < 1_500, "2,000 messages took {datagrams} datagrams");
        talk.assert_alive();
    }
}

/// It takes any payload that begins so for a bundle, which we know: ours goes as a bundle of one. (Its own it mangles itself, so it doesn't send any here.)
#[test]
fn a_message_that_looks_like_a_bundle_reaches_it_unmangled() {
    for role in BOTH {
        for setup in [plain(), rc4(), flag()] {
            let mut talk = Talk::current(role, setup);
            let messages: Vec<_> = [2, 3, 10, 250, 251, 252, 253, 254, 255, 256, 500, 501, 502, 503, 504, 505, 506, 507, 20_000]
                .into_iter()
                .map(|size| {
                    let mut data = noise(size, 3);
                    data[..2].copy_from_slice(&[0x00, 0x19]);
                    data
                })
                .collect();
            for data in &messages {
                talk.send(Channel::Reliable0, data);
            }
            talk.drive_until(10 * SECOND, |t| t.theirs.heard().messages.len() == messages.len());
            assert!(talk.theirs.heard().on(Channel::Reliable0) == messages, "unmangled");
            // One at a time there is nothing else to share a bundle with.
            talk.theirs.heard().messages.clear();
            for data in &messages {
                talk.send(Channel::Reliable1, data);
                talk.drive(10 * MS);
            }
            talk.drive_until(10 * SECOND, |t| t.theirs.heard().messages.len() == messages.len());
            assert!(talk.theirs.heard().on(Channel::Reliable1) == messages, "unmangled one by one");
            talk.theirs.heard().messages.clear();
            talk.assert_alive();
        }
    }
}

/// Raw packets, the escape of a leading zero, and what is too long for one datagram: 510 bytes fit, 511 travel on reliable channel 0.
#[test]
fn unreliable_messages_and_their_promotion() {
    for role in BOTH {
        for setup in [plain(), rc4(), flag()] {
            let mut talk = Talk::current(role, setup);
            let mut messages = vec![vec![0], vec![0, 0], vec![0, 9, 0, 0, 1], vec![0, 0x19, 1, 2], vec![5], b"hello world".to_vec()];
            messages.extend([1, 2, 100, 254, 255, 256, 508, 509, 510].map(|size| vec![0xee; size]));
            messages.extend([508, 509].map(|size| [vec![0], vec![0xdd; size - 1]].concat()));
            let long: Vec<Vec<u8>> = vec![vec![0xcc; 511], [vec![0], vec![0xbb; 509]].concat(), vec![0xaa; 900], noise(20_000, 9)];
            for data in messages.iter().chain(&long) {
                talk.send(Channel::Unreliable, data);
                talk.theirs.send(Channel::Unreliable, data);
            }
            let count = messages.len() + long.len();
            let done = talk.drive_until(10 * SECOND, |t| t.ours.message_count() >= count && t.theirs.heard().messages.len() >= count);
            assert!(done, "{} of {count}, {} of {count}", talk.ours.message_count(), talk.theirs.heard().messages.len());
            assert_eq!(talk.ours.messages_on(Channel::Unreliable), messages);
            assert_eq!(talk.ours.messages_on(Channel::Reliable0), long);
            assert_eq!(talk.theirs.heard().on(Channel::Unreliable), messages);
            assert_eq!(talk.theirs.heard().on(Channel::Reliable0), long);
            talk.ours.take();
            talk.theirs.heard().messages.clear();
            talk.assert_alive();
        }
    }
}

#[test]
fn ten_percent_loss_plain() {
    survives_a_rough_link(Talk::current, plain, &RELIABLE, 1..7);
}

#[test]
fn ten_percent_loss_rc4() {
    survives_a_rough_link(Talk::current, rc4, &RELIABLE, 11..15);
}

#[test]
fn ten_percent_loss_with_the_compression_flag() {
    survives_a_rough_link(Talk::current, flag, &RELIABLE, 21..25);
}

#[test]
fn ten_percent_loss_on_one_channel() {
    survives_a_rough_link(Talk::current, plain, &ONE, 31..35);
    // Here the acknowledgements of the two oldest packets under way were lost for good, and a third packet is missing.
    for seed in [38, 123] {
        survives_a_rough_link(Talk::current, plain, &ONE, seed..seed + 1);
    }
}

/// What arrives of unreliable messages is whole, and about as much as the link lets through.
#[test]
fn unreliable_messages_over_a_rough_link() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain()).through(Path::ROUGH, 41);
        let messages: Vec<_> = (0..500u32).map(|index| [&index.to_be_bytes()[..], &noise(20, index.into())].concat()).collect();
        for data in &messages {
            talk.send(Channel::Unreliable, data);
            talk.theirs.send(Channel::Unreliable, data);
            talk.drive(2 * MS);
        }
        talk.drive(SECOND);
        let theirs: Vec<Vec<u8>> = talk.theirs.heard().messages.drain(..).map(|(_, data)| data).collect();
        let ours: Vec<Vec<u8>> = talk.ours.take_messages().into_iter().map(|(_, data)| data).collect();
        for got in [ours, theirs] {
            assert!(got.iter().all(|data| messages.contains(data)), "each is one that was sent");
            assert!((400..600).contains(&got.len()), "{} of 500", got.len());
        }
        talk.assert_alive();
    }
}

/// Its acknowledgement of our last packet is lost, and it never says it again: we may go on asking, but the session lives, and new messages get through.
#[test]
fn a_lost_last_acknowledgement_harms_nobody() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        talk.back.path.loss_percent = 100;
        for index in 0..300u32 {
            talk.send(Channel::Reliable0, &noise(400, index.into()));
        }
        // Long enough for it to have acknowledged, into nothing, all that our window let through.
        talk.drive(SECOND);
        talk.back.path.loss_percent = 0;
        for index in 0..300u32 {
            talk.send_patiently(Channel::Reliable0, &index.to_be_bytes());
        }
        assert!(
            talk.drive_until(120 * SECOND, |t| t.theirs.heard().messages.len() == 600),
            "{} of 600",
            talk.theirs.heard().messages.len()
        );
        talk.theirs.heard().messages.clear();
        talk.drive(100 * SECOND);
        talk.assert_alive();
    }
}

/// The same, and nobody has anything more to say. A client of it that hears from us within 25 s sends no heartbeat and answers nothing that it had before; so a server
/// that goes on repeating hears nothing for 30 s, and would end a session in which all is well.
#[test]
fn a_lost_last_acknowledgement_does_not_end_an_idle_session() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        talk.back.path.loss_percent = 100;
        talk.send(Channel::Reliable0, b"the last word");
        talk.drive(100 * MS);
        assert_eq!(talk.theirs.heard().on(Channel::Reliable0), [b"the last word"]);
        talk.theirs.heard().messages.clear();
        talk.back.path.loss_percent = 0;
        talk.drive(150 * SECOND);
        talk.assert_alive();
    }
}

#[test]
fn our_goodbye_reaches_it_with_its_reason() {
    for role in BOTH {
        for setup in [plain(), flag(), rc4()] {
            for why in [reason::APPLICATION, reason::MANAGER_DELETED, reason::CONNECTION_REFUSED] {
                let mut talk = Talk::current(role, setup.clone());
                talk.ours.mux.disconnect(talk.id, why, Disconnect::Now).unwrap();
                assert!(talk.drive_until(SECOND, |t| t.theirs.heard().closed.is_some()), "it heard of it");
                assert_eq!(talk.theirs.heard().closed, Some(why));
                assert_eq!(talk.ours.disconnected(), Some((EndedBy::Host, why)));
            }
        }
    }
}

#[test]
fn its_goodbye_reaches_us_with_its_reason() {
    for role in BOTH {
        for setup in [plain(), flag(), rc4()] {
            for why in [reason::APPLICATION, reason::MANAGER_DELETED, reason::TIMEOUT] {
                let mut talk = Talk::current(role, setup.clone());
                let now = talk.now;
                talk.theirs.terminate(now, why);
                assert!(talk.drive_until(SECOND, |t| t.ours.disconnected().is_some()), "we heard of it");
                assert_eq!(talk.ours.disconnected(), Some((EndedBy::Peer, why)));
                assert_eq!(talk.theirs.heard().closed, Some(why));
            }
        }
    }
}

/// A flush sends everything first, through loss.
#[test]
fn a_flushing_goodbye_comes_after_the_last_message() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain()).through(Path { loss_percent: 5, ..Path::ROUGH }, 51);
        let messages: Vec<_> = (0..30).map(|index| noise(2_000, index)).collect();
        for data in &messages {
            talk.send(Channel::Reliable2, data);
        }
        talk.ours.mux.disconnect(talk.id, reason::APPLICATION, Disconnect::Flush).unwrap();
        assert!(talk.drive_until(60 * SECOND, |t| t.ours.disconnected().is_some()), "it ends");
        talk.drive(SECOND);
        assert!(talk.theirs.heard().on(Channel::Reliable2) == messages, "{} of 30", talk.theirs.heard().messages.len());
        assert_eq!(talk.ours.disconnected(), Some((EndedBy::Host, reason::APPLICATION)));
    }
}

/// Two minutes of silence: heartbeats keep both ends satisfied, and few of them.
#[test]
fn idle_sessions_live_on_heartbeats() {
    for role in BOTH {
        for setup in [plain(), flag()] {
            let mut talk = Talk::current(role, setup);
            let before = talk.ours.mux.stats().datagrams_sent;
            talk.drive(120 * SECOND);
            let sent = talk.ours.mux.stats().datagrams_sent - before;
            assert!((3..=40).contains(&sent), "{sent} datagrams in two idle minutes");
            talk.assert_alive();
        }
    }
}

/// Its server never told us that it is gone: 30 s of silence end the session.
#[test]
fn when_it_dies_silently_we_notice() {
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        (talk.there.path.loss_percent, talk.back.path.loss_percent) = (100, 100);
        assert!(talk.drive_until(40 * SECOND, |t| t.ours.disconnected().is_some()));
        assert_eq!(talk.ours.disconnected(), Some((EndedBy::Library, reason::TIMEOUT)));
    }
}

/// 70,000 packets each way: past 65,536 both count in more than 16 bits.
#[test]
fn sequences_wrap_together() {
    const COUNT: u32 = 70_000;
    for role in BOTH {
        let mut talk = Talk::current(role, plain());
        let before = talk.ours.mux.stats().datagrams_sent;
        let mut sent = 0;
        while sent < COUNT {
            for _ in 0..5 {
                // Drained one by one: each is a packet of its own.
                talk.send_patiently(Channel::Reliable0, &sent.to_be_bytes());
                talk.flush();
                talk.theirs.send(Channel::Reliable0, &sent.to_be_bytes());
                sent += 1;
            }
            talk.step();
            talk.now += MS;
        }
        let all = |t: &mut Talk| t.ours.seen.len() >= COUNT as usize && t.theirs.heard().messages.len() >= COUNT as usize;
        assert!(talk.drive_until(60 * SECOND, all), "{} and {}", talk.ours.message_count(), talk.theirs.heard().messages.len());
        let counts =
            |messages: Vec<&[u8]>| messages.len() == COUNT as usize && (0..COUNT).zip(messages).all(|(i, data)| data == i.to_be_bytes());
        assert!(talk.ours.mux.stats().datagrams_sent - before > 65_536, "ours wrapped too");
        assert!(counts(talk.ours.messages_on(Channel::Reliable0)), "to us");
        assert!(counts(talk.theirs.heard().on(Channel::Reliable0)), "to them");
        talk.ours.take();
        talk.theirs.heard().messages.clear();
        talk.assert_alive();
    }
}

/// It sends nothing longer than we can take: of both UDP lengths it uses the smaller, where it knows. We use the smaller always.
#[test]
fn we_respect_its_shorter_datagrams() {
    for role in BOTH {
        let mut talk = Talk::current(role, Setup { udp_length: Some(100), ..Setup::default() });
        for (channel, data) in sizes(&RELIABLE) {
            talk.send_patiently(channel, &data);
        }
        talk.send(Channel::Unreliable, &[1; 98]);
        let (here, remote) = (talk.ours.address, talk.remote());
        for _ in 0..10_000 {
            for (to, data) in talk.ours.turn(talk.now) {
                assert!(data.len() <= 100, "{} bytes", data.len());
                talk.there.push(talk.now, here, to, &data);
            }
            while let Some((.., datagram)) = talk.there.pop(talk.now) {
                talk.theirs.feed(talk.now, &datagram);
            }
            talk.theirs.tick(talk.now);
            for datagram in talk.theirs.drain() {
                talk.back.push(talk.now, remote, here, &datagram);
            }
            while let Some((from, _, datagram)) = talk.back.pop(talk.now) {
                talk.ours.mux.feed(talk.now, &from, &datagram);
            }
            talk.now += MS;
        }
        assert_eq!(talk.theirs.heard().messages.len(), sizes(&RELIABLE).len() + 1);
        assert_eq!(talk.theirs.heard().on(Channel::Unreliable), [[1; 98]]);
        talk.theirs.heard().messages.clear();
        talk.assert_alive();
    }
}
