"""How to talk to the cloud by hand: the lines that the demo ends with. A test runs them."""

from lab.layout import Layout


def lines(layout: Layout) -> list[str]:
    """Shell lines that work as pasted, in this order."""
    nova = layout.url("nova", "/v2.1")
    return [
        f". {layout.openrc}",
        "openstack server create --flavor xloud.demo --image xloud-guest --no-network"
        " --wait by-hand",
        "SERVER=$(openstack server show by-hand -f value -c id)",
        "TOKEN=$(openstack token issue -f value -c id)",
        f'curl -sS -i -X POST {nova}/os-xloud-adjust/$SERVER -H "X-Auth-Token: $TOKEN"'
        " -H 'Content-Type: application/json'"
        """ -d '{"current_vcpus": 3, "current_memory_mb": 768}'""",
        f'curl -sS {nova}/servers/$SERVER/xloud-status -H "X-Auth-Token: $TOKEN"'
        " | python3 -m json.tool",
        "openstack resource provider allocation show $SERVER",
        "openstack console log show by-hand | grep xloud-guest: | tail -n 3",
        "openstack server event list by-hand",
        "openstack server delete --wait by-hand",
    ]
