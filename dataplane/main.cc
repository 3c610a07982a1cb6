// vireo-dataplane: the packet path's daemon.

#include <fcntl.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "dataplane/api/config.h"
#include "dataplane/slow/daemon.h"

namespace vireo {
namespace {

constexpr int kExitBadInput = 2;

int Fail(const std::string& message) {
  std::cerr << "vireo-dataplane: " << message << "\n";
  return kExitBadInput;
}

void LogToStderr(const std::string& level) {
  auto logger = spdlog::stderr_color_mt("vireo");
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

void LogToSyslog(const std::string& level) {
  auto logger = spdlog::syslog_logger_mt("syslog", "vireo-dataplane", LOG_PID, LOG_DAEMON, true);
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

// Cuts the ties to the terminal once all is well.
void Detach(const std::string& log_level) {
  LogToSyslog(log_level);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  close(null);
}

// Runs `child` in the background; returns in the parent, with the exit code to use, when the child
// is ready or has failed. `child` gets what to call when it is ready.
int InBackground(const std::function<int(const Ready&)>& child, const std::string& log_level) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return Fail("cannot make a pipe");
  const pid_t pid = fork();
  if (pid < 0) return Fail("cannot start a process in the background");
  if (pid == 0) {
    close(pipe_ends[0]);
    setsid();
    if (chdir("/") != 0) return Fail("cannot change to /");
    return child([&] {
      Detach(log_level);
      const char ok = 1;
      [[maybe_unused]] const ssize_t written = write(pipe_ends[1], &ok, 1);
      close(pipe_ends[1]);
    });
  }
  close(pipe_ends[1]);
  char ok = 0;
  const bool ready = read(pipe_ends[0], &ok, 1) == 1;
  close(pipe_ends[0]);
  if (ready) return 0;
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int RunWg(const DropInOptions& options, bool foreground, const std::string& log_level) {
  const auto run = [&](const Ready& ready) {
    LogToStderr(log_level);
    const Status status = RunDropIn(options, ready);
    return status ? 0 : Fail(status.error().message);
  };
  if (!foreground) return InBackground(run, log_level);
  return run([] { spdlog::info("ready"); });
}

int RunConfig(const std::string& file, const std::string& log_level) {
  LogToStderr(log_level);
  const api::ConfigOutcome outcome = api::ReadConfigFile(file, api::KeyFiles::kLoad);
  if (!outcome.ok()) {
    // One line; the whole list is what `vireo config check` is for.
    std::string message = outcome.errors.front().ToString(file);
    if (const std::size_t more = outcome.errors.size() - 1; more != 0) {
      message += " (and " + std::to_string(more) + " more: see `vireo config check " + file + "`)";
    }
    return Fail(message);
  }
  const Status status = RunRouter(*outcome.config, [] { spdlog::info("ready"); });
  return status ? 0 : Fail(status.error().message);
}

}  // namespace
}  // namespace vireo

int main(int argc, char** argv) {
  CLI::App app(
      "Vireo's packet path: an encrypted overlay router that speaks WireGuard.\n"
      "Exit codes: 0 ended as asked, 2 bad input or environment (one line on standard error).");
  app.set_version_flag("--version", VIREO_VERSION);
  std::string config;
  std::string log_level = "info";
  app.add_option("--config", config, "Run the router that this TOML file describes");
  app.add_option("--log-level", log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));

  vireo::DropInOptions drop_in;
  bool foreground = false;
  CLI::App* wg = app.add_subcommand(
      "wg",
      "Run one WireGuard interface, as wireguard-go does. Goes to the background once wg(8) can\n"
      "talk to it; ends when the interface or /var/run/wireguard/IFNAME.sock goes.");
  wg->add_option("IFNAME", drop_in.interface, "Name of the TUN interface to make")->required();
  wg->add_flag("-f,--foreground", foreground, "Stay in the foreground, log to standard error");
  wg->add_option("--workers", drop_in.workers, "Threads that carry packets")
      ->check(CLI::Range(1, 32));
  wg->add_option("--state-dir", drop_in.state_dir, "Where the timestamp mark is kept");
  wg->fallthrough();

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return vireo::Fail(std::string(error.what()) + "; see --help");
  }
  if (wg->parsed()) return vireo::RunWg(drop_in, foreground, log_level);
  if (!config.empty()) return vireo::RunConfig(config, log_level);
  return vireo::Fail("say what to run: `wg IFNAME` or `--config FILE`; see --help");
}
