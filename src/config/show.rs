//! A [`Config`] back to the values of its keys, for `irsync check`.

use super::fields::{default_spread, default_stale_after, of_job};
use super::keys::{Effect, Id, Key, Preset, Scope, KEYS};
use super::values::Value;
use super::{Global, Job};
use std::time::Duration;

/// One effective setting.
#[derive(Debug)]
pub struct Setting {
    /// Which key.
    pub key: &'static Key,
    /// What holds.
    pub value: Value,
    /// It is what holds where nobody gives the key.
    pub is_default: bool,
}

/// The global keys, except `include`: what it brought is in the others.
pub fn global(global: &Global) -> Vec<Setting> {
    settings(Scope::Global, |id| global.show(id))
}

/// A job's keys.
pub fn job(job: &Job) -> Vec<Setting> {
    let mut settings = settings(Scope::Job, |id| of_job(job, id));
    let limits = &job.limits;
    let closed = job.window.as_ref().map_or(Duration::ZERO, |window| window.longest_gap());
    let stale_after = Some(default_stale_after(limits.interval, limits.activity_timeout).saturating_add(closed));
    for setting in settings.iter_mut().filter(|setting| matches!(setting.key.preset, Preset::Derived(_))) {
        setting.is_default = match setting.key.id {
            Id::spread => limits.spread == default_spread(limits.interval),
            Id::backoff_initial => limits.backoff_initial.is_none(),
            Id::backoff_max => limits.backoff_max.is_none(),
            _ => job.stale_after == stale_after,
        };
    }
    settings
}

/// The keys that differ between what irsync was started with and what it was told since, and that it takes only when it starts.
pub fn needs_restart(started_with: &Global, told: &Global) -> Vec<&'static str> {
    let differs = |key: &&Key| key.effect == Effect::Restart && started_with.show(key.id) != told.show(key.id);
    KEYS.iter().filter(differs).map(|key| key.name).collect()
}

fn settings(scope: Scope, value_of: impl Fn(Id) -> Option<Value>) -> Vec<Setting> {
    let of = |key: &'static Key| {
        let value = value_of(key.id)?;
        let is_default = value == key.default_value();
        Some(Setting { key, value, is_default })
    };
    KEYS.iter().filter(|key| key.scope == scope).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_is_shown_and_a_default_configuration_shows_only_defaults() {
        let config = Config::drop_in(vec![], Duration::from_secs(30), Some(Duration::from_secs(7200)));
        let shown: Vec<Setting> = global(&config.global).into_iter().chain(job(&config.jobs[0])).collect();
        let names: Vec<&str> = shown.iter().map(|setting| setting.key.name).collect();
        for key in KEYS.iter().filter(|key| key.name != "include") {
            assert!(names.contains(&key.name), "{}", key.name);
        }
        // Drop-in arguments are no INI values, and it shows no progress.
        let differ: Vec<&str> = shown.iter().filter(|s| !s.is_default).map(|s| s.key.name).collect();
        assert_eq!(differ, ["source", "destination", "options", "progress"]);
    }

    #[test]
    fn only_what_changed_and_cannot_change_live_needs_a_restart() {
        let old = Config::drop_in(vec![], Duration::from_secs(30), None).global;
        assert_eq!(needs_restart(&old, &old), Vec::<&str>::new());
        let live = Global { reboot_limit: 9, lock_memory: true, metrics_file: Some("/m".into()), ..old.clone() };
        assert_eq!(needs_restart(&old, &live), Vec::<&str>::new());
        let new = Global { watchdog_timeout: Duration::from_secs(9), state_dir: Some("/s".into()), ..live };
        assert_eq!(needs_restart(&old, &new), ["state_dir", "watchdog_timeout"]);
    }
}
