# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where, as the file system hierarchy and systemd have it. The daemon's
# default configuration is in /etc whatever the prefix is.
set(HEADGATE_CONFIG_DIR /etc/headgate CACHE PATH "Where the configuration is installed")

install(TARGETS headgated RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS headgatectl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_BINARY_DIR}/docs/man/headgated.8 ${PROJECT_BINARY_DIR}/docs/man/headgatectl.8
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${PROJECT_BINARY_DIR}/docs/man/headgate.yaml.5
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${PROJECT_BINARY_DIR}/cli/completions/headgatectl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES systemd/headgate.yaml DESTINATION ${HEADGATE_CONFIG_DIR})
install(FILES docs/headgate.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/headgate)
install(FILES systemd/headgate.sysusers DESTINATION lib/sysusers.d RENAME headgate.conf)
install(FILES systemd/headgate.tmpfiles DESTINATION lib/tmpfiles.d RENAME headgate.conf)

# The unit names the programs by their absolute paths, which the prefix of the installation decides.
install(CODE "
  file(READ ${PROJECT_SOURCE_DIR}/systemd/headgate.service unit)
  string(REPLACE /usr/sbin/ \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR}/ unit \"\${unit}\")
  string(REPLACE /usr/bin/ \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/ unit \"\${unit}\")
  file(WRITE ${PROJECT_BINARY_DIR}/headgate.service \"\${unit}\")")
install(FILES ${PROJECT_BINARY_DIR}/headgate.service DESTINATION lib/systemd/system)
