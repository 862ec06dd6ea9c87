//! Each command: from what was typed to what is asked, and from what is told to what is printed.

mod plan;

use tokio::sync::mpsc;

use crate::ask::Ask;
use crate::ask::happening::Happening;
use crate::ask::talk::Said;
use crate::ask::told::Told;
use crate::cli::others::NetworkArgs;
use crate::cli::{Command, Global, care};
use crate::demo::write_out;
use crate::error::Error;
use crate::home::{Home, machine_name};
use crate::node::network::{Network, PUBLIC_STUN, lines_of, read_relays};
use crate::node::reach::{Asked, Who, reach};
use crate::output::Output;
use crate::paste;
use crate::signal::unless_ended;
use crate::tell::live::Live;
use crate::tell::{self, LogForm};
use crate::text::{harmless, say};

/// Runs a command that asks a device something.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn run(command: Command, global: &Global) -> Result<(), Error> {
    let home = Home::find(global.data_dir.clone())?;
    let output = Output::new(global);
    let name = name_of(&command);
    if let Command::Name(care::Name { name: Some(name) }) = &command {
        return rename(&home, name, output).await;
    }
    let plan = unless_ended(plan::plan(command, global, output)).await?;
    let is_first = !home.has_device();
    if is_first && !plan.may_begin {
        return Err(Error::NoDevice {
            folder: home.folder().to_owned(),
        });
    }
    if let Some(question) = &plan.confirm {
        unless_ended(paste::confirm(question, global.yes)).await?;
    }
    let network = plan.network.as_ref().map(network).transpose()?;
    let who = unless_ended(reach(&home, &format!("cuecard {name}"), network.as_ref())).await?;
    if is_first {
        greet(&home, output);
    }
    let is_elsewhere = match &who {
        Who::Here(node) => {
            if let lost @ 1.. = node.engine().lost_batches() {
                say(&format!(
                    "the disk has lost the latest {lost} of what was saved; `cuecard doctor` looks at it, and what other \
                     devices have comes back from them"
                ));
            }
            false
        }
        #[cfg(unix)]
        Who::Peer(_) => true,
    };
    if is_elsewhere && matches!(plan.ask, Ask::Follow) {
        return Err(Error::AlreadyUp {
            holder: home.holder(),
        });
    }
    if is_elsewhere && network.is_some() && !output.quiet {
        let holder = home.holder().map_or_else(String::new, |holder| {
            format!(" (process {}, `{}`)", holder.pid, harmless(&holder.command))
        });
        say(&format!(
            "done by the running peer{holder}, with its network settings"
        ));
    }
    let mut asked = who.ask(plan.ask).await?;
    let outcome = {
        let live = Live::new(output, plan.qr).opening(plan.opens);
        unless_ended(converse(&mut asked, live, plan.pastes)).await
    };
    // Also where it failed or was ended: other devices are told goodbye. Who does not want to wait for that ends it again.
    let closed = unless_ended(asked.close()).await;
    let told = outcome?;
    closed?;
    print(&told, plan.form, output)
}

fn print(told: &Told, form: LogForm, output: Output) -> Result<(), Error> {
    if output.json {
        return write_out(&tell::json(told));
    }
    let printed = tell::text(told, form, output.room(), output.out);
    write_out(&printed.out)?;
    if !output.quiet {
        for line in printed.aside.lines() {
            say(line);
        }
    }
    Ok(())
}

/// Shows what happens until it is over, and gives what is pasted meanwhile.
async fn converse(asked: &mut Asked, mut live: Live, pastes: bool) -> Result<Told, Error> {
    let mut pasted: Option<mpsc::Receiver<String>> = None;
    loop {
        let paste = async {
            match &mut pasted {
                Some(pasted) => pasted.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = asked.conversation.next() => match said {
                None => return Err(Error::PeerGone),
                Some(Said::Failed(failure)) => return Err(Error::Said(failure)),
                Some(Said::Done(told)) => return Ok(*told),
                Some(Said::Happens(Happening::Question { text })) => {
                    paste::confirm(&text, false).await?;
                    asked.conversation.paste("yes".to_owned()).await;
                }
                Some(Said::Happens(happening)) => {
                    live.show(&happening)?;
                    if pastes && matches!(happening, Happening::Offer { .. }) {
                        live.say("Paste the answer here:");
                        pasted = Some(paste::codes());
                    }
                    // Whatever else is typed is no answer any more.
                    if matches!(happening, Happening::Linked { .. }) {
                        pasted = None;
                    }
                }
            },
            text = paste => match text {
                Some(text) => asked.conversation.paste(text).await,
                None => {
                    pasted = None;
                    asked.conversation.no_more();
                }
            },
        }
    }
}

/// What a fresh device says of itself.
fn greet(home: &Home, output: Output) {
    if output.quiet || output.json {
        return;
    }
    let name = home
        .name()
        .or_else(machine_name)
        .map_or_else(String::new, |name| {
            format!(" It is called {}; `cuecard name` changes that.", harmless(&name))
        });
    say(&format!(
        "This device is new: its key and its data are in {}, for you alone.{name}",
        home.folder().display()
    ));
}

async fn rename(home: &Home, name: &str, output: Output) -> Result<(), Error> {
    let shown = harmless(name);
    if name.trim().is_empty() || shown != name || name.len() > 256 {
        return Err(Error::Usage(
            "a device's name has at most 256 bytes, and no control or text-direction characters".to_owned(),
        ));
    }
    cuecard::identity::private_folder(home.folder(), &home.store())
        .map_err(|error| Error::folder(home.folder(), error))?;
    home.set_name(name)?;
    if output.json {
        return write_out(&tell::json(&serde_json::json!({ "kind": "name", "name": name })));
    }
    write_out(&format!("{shown}\n"))?;
    if !output.quiet && home.holder().is_some() {
        say("other devices hear of it when what keeps this device linked is started again");
    }
    Ok(())
}

/// The network of a command that links devices.
///
/// # Errors
/// Where an argument, or what is in the environment or in a file, cannot be understood.
pub(crate) fn network(args: &NetworkArgs) -> Result<Network, Error> {
    let stun: Vec<String> = match (args.no_stun, args.stun.as_slice()) {
        (true, _) => Vec::new(),
        (false, []) => PUBLIC_STUN.iter().map(|&server| server.to_owned()).collect(),
        (false, given) => given
            .iter()
            .filter(|server| !server.is_empty())
            .cloned()
            .collect(),
    };
    let mut relays = match &args.turn {
        Some(file) => read_relays(file)?,
        None => Vec::new(),
    };
    if let Ok(lines) = std::env::var("CUECARD_TURN") {
        relays.extend(lines_of(&lines));
    }
    Network::new(&args.bind, &stun, &relays)
}

/// As it was typed.
fn name_of(command: &Command) -> &'static str {
    match command {
        Command::Share(_) => "share",
        Command::Join(_) => "join",
        Command::Up(_) => "up",
        Command::New(_) => "new",
        Command::Add(_) => "add",
        Command::Import(_) => "import",
        Command::Export(_) => "export",
        Command::Status(_) => "status",
        _ => "command",
    }
}
