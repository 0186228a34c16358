// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_handler.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "daemon/observe/event_text.h"

namespace headgate {
namespace {

constexpr std::size_t kLoggedAtOnce = 1000;  // events; a flood of them must not fill a disk

}  // namespace

EventHandler::EventHandler(manage::LiveManager& manager) : manager_(manager) {
  // Those that an earlier daemon has told of. retry() looks for what came of them.
  if (const auto losses = manager.limiter().losses()) lost_ = losses->lost;
}

void EventHandler::drain() {
  std::vector<hg_event> events;
  const auto done =
      manager_.limiter().poll_events([&events](const hg_event& event) { events.push_back(event); });
  if (!done) spdlog::error("{}", done.error().to_string());
  handle(events);
}

void EventHandler::make_up_for_losses() {
  const auto losses = manager_.limiter().losses();
  if (!losses || losses->lost == lost_) return;
  spdlog::warn("{} events were lost: looking for connections beyond a limit", losses->lost - lost_);
  lost_ = losses->lost;
  close_overshoot();
}

void EventHandler::retry() {
  if (has_failed_) close_overshoot();
}

void EventHandler::close_overshoot() {
  const auto found = manager_.limiter().find_overshoot();
  has_failed_ = !found;
  if (found) {
    handle(*found);
  } else {
    spdlog::error("{}", found.error().to_string());
  }
}

// First closes what has to be closed, then writes to the log, which may block.
void EventHandler::handle(const std::vector<hg_event>& events) {
  for (const hg_event& event : events) {
    if (event.type == HG_EVENT_OVERSHOOT) destroy(event);
  }
  for (std::size_t i = 0; i < std::min(events.size(), kLoggedAtOnce); ++i) {
    const observe::Event event = observe::to_event(events[i], manager_.rule_name(events[i].rule));
    const bool is_warning =
        events[i].type == HG_EVENT_TABLE_FULL || events[i].type == HG_EVENT_PENALTY;
    spdlog::log(is_warning ? spdlog::level::warn : spdlog::level::info, "{}",
                observe::to_log_line(event));
    manager_.events().publish(event);
  }
  if (events.size() > kLoggedAtOnce) {
    spdlog::info("and {} more events, not logged", events.size() - kLoggedAtOnce);
  }
}

void EventHandler::destroy(const hg_event& event) {
  const auto destroyed = manager_.limiter().close(event);
  if (destroyed) return;
  spdlog::error("cannot close a connection beyond a limit, will try again: {}",
                destroyed.error().to_string());
  has_failed_ = true;
}

}  // namespace headgate
