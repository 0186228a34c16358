# SPDX-License-Identifier: Apache-2.0
#
# The library where it is installed: for programs that run with it, and, as the component
# libheadgate-client-dev, for those who build them with pkg-config or CMake. Both find it wherever
# the prefix has been moved to.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/headgate-client)
install(TARGETS headgate-client EXPORT headgate-client
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT libheadgate-client NAMELINK_COMPONENT libheadgate-client-dev)
install(DIRECTORY include/headgate DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT libheadgate-client-dev)
install(EXPORT headgate-client FILE headgate-client-config.cmake NAMESPACE headgate::
        DESTINATION ${package_dir} COMPONENT libheadgate-client-dev)

write_basic_package_version_file(headgate-client-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/headgate-client-config-version.cmake
        DESTINATION ${package_dir} COMPONENT libheadgate-client-dev)

file(RELATIVE_PATH PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(headgate-client.pc.in headgate-client.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/headgate-client.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT libheadgate-client-dev)
install(FILES ${PROJECT_BINARY_DIR}/docs/man/libheadgate-client.3
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT libheadgate-client-dev)
