//! The first version knows channel 0 and nothing else; not even raw packets.

use super::*;

#[test]
fn messages_of_all_sizes() {
    for role in BOTH {
        for setup in [plain(), rc4(), flag(), rc4_and_flag()] {
            let mut talk = Talk::first(role, setup);
            talk.exchange(&sizes(&ONE), 30 * SECOND);
            talk.assert_alive();
        }
    }
}

#[test]
fn small_messages_in_bundles() {
    for role in BOTH {
        let mut talk = Talk::first(role, plain());
        let messages: Vec<_> = (0..1_000usize).map(|index| (Channel::Reliable0, noise(1 + index % 40, index as u64))).collect();
        talk.exchange(&messages, 30 * SECOND);
        talk.assert_alive();
    }
}

/// It never acknowledges again what it acknowledged once, however lost that was.
#[test]
fn ten_percent_loss() {
    survives_a_rough_link(Talk::first, plain, &ONE, 62..65);
    survives_a_rough_link(Talk::first, rc4, &ONE, 71..73);
}

#[test]
fn goodbyes_with_their_reasons() {
    for role in BOTH {
        let mut talk = Talk::first(role, plain());
        talk.ours.mux.disconnect(talk.id, reason::APPLICATION, Disconnect::Now).unwrap();
        assert!(talk.drive_until(SECOND, |t| t.theirs.heard().closed.is_some()));
        assert_eq!(talk.theirs.heard().closed, Some(reason::APPLICATION));

        let mut talk = Talk::first(role, plain());
        let now = talk.now;
        talk.theirs.terminate(now, reason::MANAGER_DELETED);
        assert!(talk.drive_until(SECOND, |t| t.ours.disconnected().is_some()));
        assert_eq!(talk.ours.disconnected(), Some((EndedBy::Peer, reason::MANAGER_DELETED)));
    }
}

#[test]
fn idle_sessions_live_on_heartbeats() {
    for role in BOTH {
        let mut talk = Talk::first(role, plain());
        talk.drive(90 * SECOND);
        talk.assert_alive();
    }
}
