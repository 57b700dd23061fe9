//! Which preset serves which title, and what a host adds to it.

use crate::titles::{Cipher, Game, Title};
use soe::{Config, Key, Pass, Preset};

pub(crate) fn server(title: &Title, rng_seed: u64) -> Config {
    let mut config = Config::preset(match title.game {
        Game::EverQuest => Preset::EverQuest,
        Game::EverQuest2 => Preset::EverQuest2,
        Game::StarWarsGalaxies => Preset::StarWarsGalaxies,
        Game::PlanetSide => Preset::PlanetSide,
        Game::FreeRealms => Preset::FreeRealms,
        Game::H1Z1 => Preset::H1Z1,
        Game::PlanetSide2 => Preset::PlanetSide2,
        Game::Landmark => Preset::Landmark,
    });
    config.rng_seed = rng_seed;
    config.application_protocol = title.name.map(|name| name.as_bytes().to_vec());
    // The kinds of server of one title that differ in their passes: the host says which it is.
    if matches!(title.game, Game::EverQuest | Game::Landmark) {
        config.passes = title.passes.map(|pass| Pass::try_from(pass).expect("a pass"));
    }
    match title.cipher {
        Cipher::None => {}
        Cipher::FromStart(key) => config.cipher_key = Some(Key::new(key).expect("a key")),
        Cipher::AtLogin(_) | Cipher::Exchanged => config.cipher_by_host = true,
    }
    config
}
