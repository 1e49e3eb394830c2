use casskop_common::api::MultiCasskop;

use super::{render, table};
use crate::{terminal::colors::Style, view::options::View};

const ORDERS: &str = include_str!("../../../tests/fixtures/multi.yaml");

fn view() -> View {
    View {
        now: "2026-11-22T17:05:18Z".parse().unwrap(),
        wide: false,
        style: Style::none(),
    }
}

fn orders() -> MultiCasskop {
    serde_saphyr::from_str(ORDERS).unwrap()
}

#[test]
fn a_site_that_cannot_be_reached_and_an_operation() {
    insta::assert_snapshot!(render(&orders(), view()));
}

#[test]
fn nothing_is_reported_yet() {
    let mut new = orders();
    new.status = None;
    insta::assert_snapshot!(render(&new, view()));
}

#[test]
fn one_that_goes_and_is_paused() {
    let mut leaving = orders();
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    leaving.metadata.generation = Some(9);
    let status = leaving.status.as_mut().unwrap();
    status.paused = true;
    status.sites.truncate(1);
    status.sites[0].cluster = None;
    status.operations.clear();
    insta::assert_snapshot!(render(&leaving, view()));
}

#[test]
fn all_rings() {
    let mut new = orders();
    new.status = None;
    new.metadata.name = Some("a-longer-name".into());
    insta::assert_snapshot!(table(&[new, orders()], view()));
}
