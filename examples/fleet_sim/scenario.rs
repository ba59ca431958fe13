//! What happens to which fleet.

use irsync::job::{Outcome, Time};
use std::time::Duration;

/// How long everything goes well before the server goes down.
const GOOD_TIME: Duration = Duration::from_secs(30 * 60);
const OUTAGE: Duration = Duration::from_secs(60 * 60);

/// What the devices meet when they call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Everybody gets in.
    Unlimited,
    /// So many get in (`max connections`), the others are refused.
    Limit(usize),
    /// A firewall lets so many connections of one address through and resets the others.
    Firewall(usize),
    /// Everybody gets in, but only so many can be served at full speed; more than that share it.
    Slow(usize),
}

impl Server {
    /// How many get in.
    pub fn limit(self) -> usize {
        match self {
            Server::Limit(limit) | Server::Firewall(limit) => limit,
            Server::Unlimited | Server::Slow(_) => usize::MAX,
        }
    }

    /// How many are served at full speed.
    pub fn capacity(self) -> usize {
        if let Server::Slow(capacity) = self {
            capacity
        } else {
            usize::MAX
        }
    }

    /// What those learn who do not get in.
    pub fn refusal(self) -> Outcome {
        if let Server::Firewall(_) = self {
            Outcome::Transient
        } else {
            Outcome::Busy
        }
    }

    fn name(self) -> String {
        match self {
            Server::Unlimited => "no limit".into(),
            Server::Limit(limit) => format!("max connections = {limit}"),
            Server::Firewall(limit) => format!("{limit} connections for one address"),
            Server::Slow(capacity) => format!("a server that is slow beyond {capacity} connections"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// All devices lose power and boot at the same time.
    PowerCut,
    /// The server is down for an hour.
    Outage,
    /// The name of the server cannot be resolved for an hour, so that nobody can ask it.
    NoName,
    /// Each twentieth device loses power again and again, so long after it has booted.
    Reboots(Duration),
}

impl Trouble {
    pub fn name(self) -> String {
        match self {
            Trouble::PowerCut => "after a power cut of the whole fleet".into(),
            Trouble::Outage => "after an outage of the server of one hour".into(),
            Trouble::NoName => "after an hour in which its name could not be resolved".into(),
            Trouble::Reboots(up) => format!("while 5 % of the fleet reboot every {} s", up.as_secs()),
        }
    }

    /// When the devices have power again, or the server answers again: the zero of all results.
    pub fn is_over(self) -> Time {
        match self {
            Trouble::PowerCut => Time::default(),
            Trouble::Outage | Trouble::NoName => Time::default() + GOOD_TIME + OUTAGE,
            Trouble::Reboots(_) => Time::default() + GOOD_TIME,
        }
    }

    pub fn server_is_down(self, now: Time) -> bool {
        matches!(self, Trouble::Outage | Trouble::NoName) && now >= Time::default() + GOOD_TIME && now < self.is_over()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub devices: usize,
    pub interval: Duration,
    /// The interval of each third device, if it has one of its own.
    pub third: Option<Duration>,
    pub server: Server,
    pub trouble: Trouble,
    /// What is watched from the moment the trouble is over.
    pub watched: Duration,
    /// The row of it that docs/fleet/README.md shows.
    pub in_readme: Option<&'static str>,
}

impl Scenario {
    pub fn interval_of(&self, device: usize) -> Duration {
        self.third.filter(|_| device % 3 == 0).unwrap_or(self.interval)
    }

    /// Whether the device is one of those that reboot again and again.
    pub fn reboots(&self, device: usize) -> Option<Duration> {
        match self.trouble {
            Trouble::Reboots(up) if device % 20 == 7 => Some(up),
            _ => None,
        }
    }

    pub fn name(&self) -> String {
        let third = self.third.map_or(String::new(), |own| format!(" (a third: {} s)", own.as_secs()));
        let (interval, server) = (self.interval.as_secs(), self.server.name());
        format!("{} devices, interval {interval} s{third}, {server},\n{}", self.devices, self.trouble.name())
    }
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

const SMALL: Scenario = Scenario {
    devices: 2_000,
    interval: Duration::from_secs(30),
    third: None,
    server: Server::Unlimited,
    trouble: Trouble::PowerCut,
    watched: minutes(10),
    in_readme: None,
};
const LARGE: Scenario = Scenario { devices: 100_000, interval: minutes(15), watched: minutes(60), ..SMALL };
const HOURLY: Scenario = Scenario { interval: minutes(60), watched: minutes(180), ..LARGE };
const SITE: Scenario = Scenario { devices: 200, server: Server::Firewall(30), ..SMALL };
const MIXED: Scenario = Scenario { third: Some(minutes(5)), server: Server::Limit(1_000), ..LARGE };

/// All that are simulated, in the order of the table.
pub const ALL: &[Scenario] = &[
    Scenario { server: Server::Limit(300), in_readme: Some("99 % in step after, s"), ..SMALL },
    SMALL,
    Scenario { server: Server::Limit(300), trouble: Trouble::Outage, ..SMALL },
    Scenario { trouble: Trouble::Outage, in_readme: Some("failed while the server was down"), ..SMALL },
    Scenario { trouble: Trouble::NoName, ..SMALL },
    Scenario { server: Server::Slow(300), ..SMALL },
    Scenario { server: Server::Slow(300), trouble: Trouble::Outage, ..SMALL },
    SITE,
    Scenario { trouble: Trouble::Outage, ..SITE },
    Scenario { server: Server::Limit(1_000), in_readme: Some("refused because full"), ..LARGE },
    Scenario { in_readme: Some("connections, peak"), ..LARGE },
    Scenario { server: Server::Limit(1_000), trouble: Trouble::Outage, ..LARGE },
    Scenario { trouble: Trouble::Outage, in_readme: Some("connections, peak"), ..LARGE },
    Scenario { trouble: Trouble::NoName, ..LARGE },
    Scenario { server: Server::Slow(1_000), ..LARGE },
    Scenario { in_readme: Some("refused because full"), ..MIXED },
    Scenario { trouble: Trouble::Outage, ..MIXED },
    Scenario { trouble: Trouble::Reboots(minutes(5)), ..LARGE },
    Scenario { server: Server::Limit(1_000), ..HOURLY },
    HOURLY,
    Scenario { trouble: Trouble::Outage, ..HOURLY },
];

/// Those whose connections are plotted.
pub const PLOTTED: [Scenario; 2] = [SMALL, Scenario { trouble: Trouble::Outage, ..SMALL }];
