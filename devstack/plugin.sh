#!/bin/bash
# DevStack plugin of nova-xloud, sourced by stack.sh, unstack.sh and clean.sh with a mode and a phase.
#
# DevStack starts Nova's services as $NOVA_BIN_DIR/nova-compute and the like, and nova-api as uWSGI
# with $NOVA_UWSGI_CONF. Both exist when the phase "post-config" begins, and nothing is started
# before it ends: there the folder is replaced by one of our own, and the module by ours. Nova's
# code, nova.conf and policies stay as they are.

function install_nova_xloud {
    # It requires nothing, and nothing that DevStack has installed may be moved by it.
    pip_install --no-deps "$NOVA_XLOUD_DIR"
}

# Every nova-* of the real folder; those that run through nova-xloud as scripts, others as links.
function make_nova_xloud_commands {
    local real=$NOVA_BIN_DIR program name
    mkdir -p "$NOVA_XLOUD_BIN_DIR"
    for program in "$real"/nova-*; do
        ln -sf "$program" "$NOVA_XLOUD_BIN_DIR/${program##*/}"
    done
    for name in $NOVA_XLOUD_COMMANDS; do
        rm -f "$NOVA_XLOUD_BIN_DIR/$name"
        printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$real/nova-xloud-run" "$name" \
            >"$NOVA_XLOUD_BIN_DIR/$name"
        chmod +x "$NOVA_XLOUD_BIN_DIR/$name"
    done
    NOVA_BIN_DIR=$NOVA_XLOUD_BIN_DIR
}

function configure_nova_xloud_api {
    local ini=${NOVA_UWSGI_CONF:-$NOVA_CONF_DIR/nova-api-uwsgi.ini}
    inidelete "$ini" uwsgi wsgi-file
    iniset "$ini" uwsgi module nova_xloud.wsgi.osapi_compute:application
}

function configure_nova_xloud {
    make_nova_xloud_commands
    if is_service_enabled n-api; then
        configure_nova_xloud_api
    fi
}

function create_nova_xloud_flavor {
    local cloud=(openstack --os-cloud devstack-admin)
    if [[ -n $NOVA_XLOUD_FLAVOR ]]; then
        "${cloud[@]}" flavor create --vcpus "$NOVA_XLOUD_FLAVOR_VCPUS" \
            --ram 1024 --disk 1 "$NOVA_XLOUD_FLAVOR"
        "${cloud[@]}" flavor set --property minimum_cpu=1 --property minimum_memory=512 \
            "$NOVA_XLOUD_FLAVOR"
    fi
}

# Exit status 1 is a warning, of which a new cloud has some.
function check_nova_xloud {
    local status=0
    "$NOVA_BIN_DIR/nova-xloud-status" upgrade check --config-file "$NOVA_CONF" || status=$?
    if ((status > 1)); then
        die $LINENO "nova-xloud-status upgrade check: $status"
    fi
}

case "$1 ${2:-}" in
"stack install")
    echo_summary "Installing nova-xloud"
    install_nova_xloud
    ;;
"stack post-config")
    echo_summary "Nova's services will run through nova-xloud"
    configure_nova_xloud
    ;;
"stack extra")
    if is_service_enabled n-api; then
        create_nova_xloud_flavor
    fi
    ;;
"stack test-config")
    if is_service_enabled n-api; then
        check_nova_xloud
    fi
    ;;
"clean ")
    rm -rf "$NOVA_XLOUD_BIN_DIR"
    ;;
esac
