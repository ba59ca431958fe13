//! `atomic` sets with access control lists and extended attributes: rsync(1), `--acls` and `--xattrs`.

use super::atomic::{atomic, beside};
use super::real;
use crate::common::xattr::{self, readable_by, ACCESS, DEFAULT};
use crate::common::Rig;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

const XATTR: &str = "user.irsync";

/// A set of the server's with every kind of attribute, shown on the card; None where that cannot be.
fn shown(story: &'static str, name: &'static str, keys: &str) -> Option<(Rig, crate::common::daemon::Daemon)> {
    let rig = real(name)?;
    let daemon = rig.daemon("read only = yes");
    if !xattr::are_kept(story, &rig.path("")) {
        return None;
    }
    for name in ["same", "list", "both", "plain", "folder/inside"] {
        fs::create_dir_all(rig.path("served/folder")).unwrap();
        rig.write(&format!("served/{name}"), name);
    }
    let set =
        |file: &str, name: &str, value: &[u8]| xattr::set(&rig.path(&format!("served/{file}")), name, value).unwrap();
    for file in ["same", "list", "both"] {
        set(file, ACCESS, &readable_by(1001));
    }
    for file in ["same", "both"] {
        set(file, XATTR, b"old");
    }
    set("folder", DEFAULT, &readable_by(1001));
    set("", ACCESS, &readable_by(1001));
    atomic(&rig, &daemon.url(), keys);
    let ini = rig.read("irsync.ini").replace("-rltp ", "-rltpAX ");
    fs::write(rig.path("irsync.ini"), ini).unwrap();
    Some((rig, daemon))
}

/// What is to be kept of everything in a set, name by name.
fn attributes(rig: &Rig, set: &str) -> Vec<(&'static str, [Option<Vec<u8>>; 3])> {
    let names = ["", "same", "list", "both", "plain", "folder", "folder/inside"];
    let look = |name: &'static str| {
        let path = rig.path(set).join(name);
        (name, [ACCESS, DEFAULT, XATTR].map(|attribute| xattr::get(&path, attribute)))
    };
    names.map(look).to_vec()
}

fn once(rig: &Rig) -> String {
    let output = rig.run(&["once"]);
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_list_or_an_attribute_that_changes_alone_makes_a_new_set_and_leaves_the_one_before_as_it_was() {
    const STORY: &str = "a_list_or_an_attribute_that_changes_alone_makes_a_new_set_and_leaves_the_one_before_as_it_was";
    let Some((rig, _daemon)) = shown(STORY, "attributes", "") else { return };
    let said = once(&rig);
    assert!(said.contains("sync success"), "{said}");
    assert_eq!(attributes(&rig, "card/media"), attributes(&rig, "served"));
    assert!(xattr::get(&rig.path("card/media/both"), ACCESS).is_some(), "the story has no list");
    let said = once(&rig);
    assert!(said.contains("sync success") && beside(&rig).is_empty(), "nothing has changed: {said}");

    let served = |file: &str| rig.path("served").join(file);
    let changes: [(&str, &dyn Fn()); 7] = [
        ("a list", &|| xattr::set(&served("list"), ACCESS, &readable_by(1002)).unwrap()),
        ("an attribute", &|| xattr::set(&served("both"), XATTR, b"new").unwrap()),
        ("a folder's list for what is made in it", &|| {
            xattr::set(&served("folder"), DEFAULT, &readable_by(1002)).unwrap()
        }),
        ("the set's own list", &|| xattr::set(&served(""), ACCESS, &readable_by(1002)).unwrap()),
        ("a first list", &|| xattr::set(&served("folder/inside"), ACCESS, &readable_by(1002)).unwrap()),
        ("a list that goes", &|| xattr::remove(&served("both"), ACCESS)),
        ("an attribute that goes", &|| xattr::remove(&served("both"), XATTR)),
    ];
    for (what, change) in changes {
        let (before, inode) = (attributes(&rig, "card/media"), fs::metadata(rig.path("card/media")).unwrap().ino());
        change();
        let said = once(&rig);
        assert!(said.contains("sync success"), "{what}: {said}");
        assert_ne!(fs::metadata(rig.path("card/media")).unwrap().ino(), inode, "{what}: no new set: {said}");
        assert_eq!(attributes(&rig, "card/media"), attributes(&rig, "served"), "{what}");
        assert_eq!(attributes(&rig, "card/.media.irsync-previous"), before, "{what}: changed in place");
        assert!(
            fs::metadata(rig.path("card/media/same")).unwrap().nlink() > 1,
            "{what}: what is the same is not shared"
        );
    }
    assert_eq!(beside(&rig), BTreeSet::from([".media.irsync-previous".to_owned()]));
}

#[test]
fn a_set_that_is_refused_changes_no_list_and_no_attribute_of_the_live_one() {
    const STORY: &str = "a_set_that_is_refused_changes_no_list_and_no_attribute_of_the_live_one";
    let refuse = "run_before_publish = sh -c 'test ! -e DIR/refuse'";
    let Some((rig, _daemon)) = shown(STORY, "attributes-refused", refuse) else { return };
    let said = once(&rig);
    assert!(said.contains("sync success"), "{said}");
    let before = attributes(&rig, "card/media");
    rig.write("refuse", "");
    // The folder of the refused set stays; what is in it is not to be shared with the live one when it changes again.
    for (uid, value) in [(1002, b"a"), (1003, b"b")] {
        xattr::set(&rig.path("served/list"), ACCESS, &readable_by(uid)).unwrap();
        xattr::set(&rig.path("served/same"), XATTR, value).unwrap();
        xattr::set(&rig.path("served/plain"), XATTR, value).unwrap();
        let said = once(&rig);
        assert!(said.contains("sync skipped: run_before_publish"), "{said}");
        assert_eq!(attributes(&rig, "card/media"), before);
        // Now what was as in the live set, and is shared with it in the folder that was left, changes.
        xattr::set(&rig.path("served/both"), XATTR, value).unwrap();
        xattr::set(&rig.path("served/both"), ACCESS, &readable_by(uid)).unwrap();
        let said = once(&rig);
        assert!(said.contains("sync skipped: run_before_publish"), "{said}");
        assert_eq!(attributes(&rig, "card/media"), before);
    }
    fs::remove_file(rig.path("refuse")).unwrap();
    let said = once(&rig);
    assert!(said.contains("sync success"), "{said}");
    assert_eq!(attributes(&rig, "card/media"), attributes(&rig, "served"));
    assert_eq!(attributes(&rig, "card/.media.irsync-previous"), before);
}
