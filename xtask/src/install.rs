//! What the harnesses need beside Rust, each installed once by its own package manager into `$BARNABAS_CACHE`
//! (`~/.cache/barnabas`), and again when its list of versions changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::root;

/// Where installed clients, jars and virtual environments are kept.
pub fn cache() -> Result<PathBuf> {
    let folder = match std::env::var_os("BARNABAS_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache/barnabas"),
    };
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs `install` unless the stamp in `folder` already equals the text of `list`, the file that names the versions.
fn once(folder: &Path, list: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let stamp = folder.join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("==> installing what {} names", list.display());
    fs::create_dir_all(folder)?;
    install()?;
    fs::write(stamp, wanted)?;
    Ok(())
}

pub fn quietly(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let text =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let tail: Vec<&str> = text.lines().rev().take(30).collect();
        bail!("{command:?}: {}\n{}", output.status, tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Jars that `compat/<name>/pom.xml` names.
fn jars(name: &str) -> Result<PathBuf> {
    let pom = root().join("compat").join(name).join("pom.xml");
    let folder = cache()?.join("compat").join(name);
    let libraries = folder.join("libs");
    once(&folder, &pom, || {
        if libraries.exists() {
            fs::remove_dir_all(&libraries)?;
        }
        quietly(
            Command::new("mvn")
                .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", libraries.display()))
                .arg("-f")
                .arg(&pom),
        )?;
        Ok(())
    })?;
    Ok(libraries)
}

/// The class path of Apache Kafka: broker, tools, client.
pub fn kafka_class_path() -> Result<String> {
    Ok(format!("{}/*", jars("java")?.display()))
}

/// Compiles `compat/<name>/src/*.java` and the shared sources of `compat`; gives the class path to run it.
pub fn java(name: &str, shared: &[&str]) -> Result<String> {
    let libraries = jars(name)?;
    let classes = cache()?.join("compat").join(name).join("classes");
    fs::create_dir_all(&classes)?;
    let sources = files(&root().join("compat").join(name).join("src"), "java")?;
    quietly(
        Command::new("javac")
            .arg("-d")
            .arg(&classes)
            .arg("-cp")
            .arg(format!("{}/*", libraries.display()))
            .args(sources)
            .args(shared.iter().map(|path| root().join("compat").join(path))),
    )?;
    Ok(format!("{}:{}/*", classes.display(), libraries.display()))
}

/// A virtual environment with `compat/python/requirements.txt`; gives its interpreter.
pub fn python() -> Result<PathBuf> {
    let list = root().join("compat/python/requirements.txt");
    let folder = cache()?.join("compat/python");
    let interpreter = folder.join("bin/python");
    once(&folder, &list, || {
        let python = if found("python3.11") { "python3.11" } else { "python3" };
        quietly(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        quietly(Command::new(&interpreter).args(["-m", "pip", "install", "-q", "-r"]).arg(&list))?;
        Ok(())
    })?;
    Ok(interpreter)
}

/// Node 22 and the clients of `compat/javascript/package.json`, the programs copied beside them, since modules are looked
/// up from a program's own folder; gives that folder.
pub fn javascript() -> Result<PathBuf> {
    let source = root().join("compat/javascript");
    let list = source.join("package.json");
    let folder = cache()?.join("compat/javascript");
    once(&folder, &list, || {
        fs::copy(&list, folder.join("package.json"))?;
        quietly(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&folder))?;
        Ok(())
    })?;
    for extension in ["js", "mjs"] {
        for file in files(&source, extension)? {
            fs::copy(&file, folder.join(file.file_name().context("no file name")?))?;
        }
    }
    Ok(folder)
}

/// Builds one program of the Go module in `module`; gives its path.
pub fn go(module: &str, program: &str) -> Result<PathBuf> {
    let folder = cache()?.join(module.replace('/', "-")).join("bin");
    fs::create_dir_all(&folder)?;
    let target = folder.join(program);
    quietly(
        Command::new("go")
            .args(["build", "-o"])
            .arg(&target)
            .arg(format!("./{program}"))
            .current_dir(root().join(module)),
    )?;
    Ok(target)
}

/// Builds a Rust program that is no member of the workspace, in release; gives its path.
pub fn rust(folder: &str, program: &str) -> Result<PathBuf> {
    let target = cache()?.join(folder.replace('/', "-"));
    quietly(
        Command::new("cargo")
            .args(["build", "--release", "--quiet", "--manifest-path"])
            .arg(root().join(folder).join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("release").join(program))
}

/// Debian's own package of a program, unless the program is there.
pub fn debian(program: &str) -> Result<()> {
    package(program, program)
}

/// Debian's package that has the program, unless the program is there.
pub fn package(program: &str, package: &str) -> Result<()> {
    if found(program) {
        return Ok(());
    }
    quietly(Command::new("apt-get").args(["update", "-q"]))?;
    quietly(Command::new("apt-get").args(["install", "-y", "-q", package]))?;
    Ok(())
}

fn found(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|known| known == extension))
        .collect();
    found.sort();
    Ok(found)
}
