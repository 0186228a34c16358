// SPDX-License-Identifier: Apache-2.0
#pragma once

#define _LGPL_SOURCE  // small parts of it are inlined
#include <urcu/urcu-bp.h>

// Who reads what is in force costs nothing but a word of his own; who has replaced it waits until
// nobody reads it any more. The work is liburcu's ("bulletproof": threads need not register).
namespace headgate::client {

class Reading {
 public:
  Reading() { urcu_bp_read_lock(); }
  ~Reading() { urcu_bp_read_unlock(); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};

inline void wait_for_readers() {
  urcu_bp_synchronize_rcu();
}

}  // namespace headgate::client
