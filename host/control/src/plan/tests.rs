//! A model of plan: whatever is asked in whatever order, what holds is what a simple list of states says.

use proptest::prelude::*;

use super::*;

fn pieces(name: u8) -> Pieces {
    Pieces { release: format!("r{name}"), size: u64::from(name), blobs: Vec::new() }
}

fn note(parent: u64) -> Note {
    Note { author: "ada".to_owned(), message: String::new(), at: 1, parent }
}

fn all(deployment: u64) -> Vec<Portion> {
    vec![Portion { deployment, weight: 1 }]
}

fn commands() -> impl Strategy<Value = Command> {
    let number = || 0..12_u64;
    let share = (number(), 0..20_001_u32).prop_map(|(deployment, weight)| Portion { deployment, weight });
    prop_oneof![
        4 => any::<u8>().prop_map(|name| Command::Deploy(pieces(name))),
        1 => any::<u8>().prop_map(|name| Command::Stage(pieces(name))),
        2 => proptest::option::of(number()).prop_map(|to| Command::Rollback { to }),
        2 => proptest::collection::vec(share, 0..4).prop_map(|shares| Command::Split { shares, sticky: None }),
        1 => number().prop_map(Command::Promote),
        1 => Just(Command::Remove),
    ]
}

/// What the service should do now, by the words of the documentation alone.
fn expected(history: &[Deployment], command: &Command) -> Option<Vec<Portion>> {
    let number = history.len() as u64 + 1;
    let at = |n: u64| history.get(usize::try_from(n).ok()?.checked_sub(1)?);
    let brought = |n: u64| at(n).is_some_and(|d| d.artifact.is_some());
    let now = history.last().map(|d| d.shares.clone());
    match command {
        Command::Deploy(_) => Some(all(number)),
        Command::Stage(_) => Some(now.unwrap_or_default()),
        Command::Rollback { to: Some(to) } => at(*to).map(|d| d.shares.clone()).filter(|s| !s.is_empty()),
        Command::Rollback { to: None } => {
            let now = now?;
            let mut earlier = history.iter().rev().map(|d| d.shares.clone());
            earlier.find(|shares| !shares.is_empty() && *shares != now)
        }
        Command::Split { shares, .. } => {
            let known = shares.iter().all(|share| brought(share.deployment) && share.weight <= 10_000);
            let mut numbers: Vec<_> = shares.iter().map(|share| share.deployment).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let fine = known && numbers.len() == shares.len() && shares.iter().any(|share| share.weight > 0);
            fine.then(|| shares.clone())
        }
        Command::Promote(n) => brought(*n).then(|| all(*n)),
        Command::Remove => now.filter(|shares| !shares.is_empty()).map(|_| Vec::new()),
    }
}

proptest! {
    #[test]
    fn any_order_of_commands_does_what_the_words_say(commands in proptest::collection::vec(commands(), 1..40)) {
        let mut history: Vec<Deployment> = Vec::new();
        for command in commands {
            let parent = history.len() as u64;
            let wanted = expected(&history, &command);
            let planned = plan("a", &history, command.clone(), note(parent));
            prop_assert_eq!(planned.as_ref().ok().map(|d| d.shares.clone()), wanted, "{:?}", command);
            // Nobody wins who did not see the last one.
            if parent > 0 {
                let late = plan("a", &history, command, note(parent - 1));
                let told = matches!(late, Err(Refusal::Conflict { current, .. }) if current == parent);
                prop_assert!(told, "{:?}", late);
            }
            if let Ok(deployment) = planned {
                prop_assert_eq!(deployment.number, parent + 1);
                prop_assert_eq!(deployment.parent.unwrap_or(0), parent);
                history.push(deployment);
            }
        }
    }

    #[test]
    fn what_serves_or_can_be_gone_back_to_is_never_expired(
        commands in proptest::collection::vec(commands(), 1..60),
        keep in 1..8_usize,
    ) {
        let mut history: Vec<Deployment> = Vec::new();
        for command in commands {
            let parent = history.last().map_or(0, |d| d.number);
            let Ok(deployment) = plan("a", &history, command, note(parent)) else { continue };
            history.push(deployment);
            let gone = expired(&history, keep);
            history.retain(|d| !gone.contains(&d.number));
            let kept: Vec<u64> = history.iter().map(|d| d.number).collect();
            // Whatever is kept can be gone back to.
            for share in history.iter().flat_map(|d| &d.shares) {
                prop_assert!(kept.contains(&share.deployment));
            }
        }
    }
}

#[test]
fn rolling_back_twice_returns() {
    let mut history = Vec::new();
    for command in [Command::Deploy(pieces(1)), Command::Deploy(pieces(2))] {
        history.push(plan("a", &history, command, note(history.len() as u64)).unwrap());
    }
    for expected in [1, 2, 1] {
        let back = plan("a", &history, Command::Rollback { to: None }, note(history.len() as u64)).unwrap();
        assert_eq!((back.kind, &back.shares), (Kind::Rollback, &all(expected)));
        history.push(back);
    }
}

#[test]
fn what_brings_nothing_cannot_get_a_share() {
    let mut history = vec![plan("a", &[], Command::Deploy(pieces(1)), note(0)).unwrap()];
    history.push(plan("a", &history, Command::Promote(1), note(1)).unwrap());
    let refused = plan("a", &history, Command::Promote(2), note(2)).unwrap_err();
    assert!(refused.to_string().contains("deployment 2 of service `a` is a promote"), "{refused}");
    let long = Note { message: "x".repeat(5_000), ..note(2) };
    assert_eq!(plan("a", &history, Command::Remove, long), Err(Refusal::Message(5_000)));
}
