//! The job that pushes this device's own status (`report_to`). It is a job like any other, so it has their back-off, their
//! limits and their end; but it is irsync's own, and what becomes of it says nothing of the owner's jobs.

use super::{Arguments, Config, Job, Password};
use std::ffi::OsStr;
use std::time::Duration;

/// Its name in log, status and history: none that a section can have.
pub const REPORT: &str = "(report)";
/// As irsync's first argument it makes irsync write the report: status file, folder, and `JOB=FOLDER` for each local
/// destination follow.
pub const WRITE_REPORT: &str = "@report";
/// A server that is silent for so long, or takes so long for a few kilobytes, does not serve.
const SILENT: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(5 * 60);

impl Config {
    /// The job, if `report_to` is given. It writes the report into a folder beside the status file, in memory, and pushes
    /// that folder: the file has the device's name, which may be known long after irsync was started.
    pub fn report_job(&self) -> Option<Job> {
        let global = &self.global;
        let to = global.report_to.clone()?;
        let mut job = Config::drop_in(Vec::new(), global.report_every, Some(SILENT)).jobs.pop()?;
        let folder = global.status_file.with_extension("report");
        let text = |path: &OsStr| path.to_string_lossy().into_owned();
        let mut write = vec![
            "/proc/self/exe".to_owned(),
            WRITE_REPORT.to_owned(),
            text(global.status_file.as_os_str()),
            text(folder.as_os_str()),
        ];
        for other in self.jobs.iter().filter(|job| job.enabled) {
            if let Arguments::Ini { destination, .. } = &other.arguments {
                if destination.starts_with('/') {
                    write.push(format!("{}={destination}", other.name));
                }
            }
        }
        if let Some(other) = self.jobs.first() {
            job.rsync = other.rsync.clone();
        }
        job.name = REPORT.into();
        // Without times, so that the server's clock stamps it, and so that it is sent even if nothing has changed.
        let (options, source) = (vec!["-rI".into()], vec![format!("{}/", text(folder.as_os_str()))]);
        let destination = format!("{}/", to.trim_end_matches('/'));
        job.arguments = Arguments::Ini { options, source, destination };
        job.limits.max_runtime = Some(LONGEST);
        job.stale_after = None;
        job.durable = false;
        job.password = global.report_password_file.clone().map(Password::File);
        job.hooks.before = Some(write);
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_a_job_of_its_own_that_no_owner_can_have_named() {
        let mut config = Config::drop_in(Vec::new(), Duration::from_secs(30), None);
        assert_eq!(config.report_job(), None);
        config.global.report_to = Some("rsync://h/reports".into());
        config.global.report_password_file = Some("/etc/secret".into());
        let mut local = config.jobs[0].clone();
        let arguments =
            |to: &str| Arguments::Ini { options: vec![], source: vec!["h::m".into()], destination: to.into() };
        (local.name, local.arguments, local.rsync) = ("media".into(), arguments("/srv/media"), "/opt/rsync".into());
        let push = Job { name: "logs".into(), arguments: arguments("h::logs"), ..local.clone() };
        let off = Job { name: "off".into(), enabled: false, ..local.clone() };
        config.jobs = vec![local, push, off];
        let job = config.report_job().unwrap();
        assert_eq!((job.name.as_str(), job.rsync.as_str()), (REPORT, "/opt/rsync"));
        let Arguments::Ini { options, source, destination } = &job.arguments else { panic!("{job:?}") };
        assert_eq!(
            (options.as_slice(), source.as_slice()),
            (&["-rI".to_owned()][..], &["/run/irsync/status.report/".to_owned()][..])
        );
        assert_eq!(destination, "rsync://h/reports/");
        assert_eq!(job.password, Some(Password::File("/etc/secret".into())));
        assert_eq!((job.limits.interval, job.limits.spread), (Duration::from_secs(900), Duration::from_secs(900)));
        assert_eq!((job.stale_after, job.reboot_after, job.limits.recover_after), (None, None, None));
        let write = job.hooks.before.unwrap();
        assert_eq!(write[1..], [WRITE_REPORT, "/run/irsync/status", "/run/irsync/status.report", "media=/srv/media"]);
    }
}
