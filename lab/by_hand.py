"""How to talk to the cloud by hand: the lines that the demo ends with. A test runs them."""

from lab.layout import Layout


def lines(layout: Layout) -> list[str]:
    """Shell lines that work as pasted, in this order."""
    return [
        f". {layout.openrc}",
        "openstack server create --flavor xloud.demo --image xloud-guest --no-network"
        " --wait by-hand",
        "openstack server adjust by-hand --vcpus 3 --memory 768 --wait",
        "openstack server adjust show by-hand",
        "SERVER=$(openstack server show by-hand -f value -c id)",
        "openstack resource provider allocation show $SERVER",
        "openstack console log show by-hand | grep xloud-guest: | tail -n 3",
        "openstack server event list by-hand",
        "openstack server delete --wait by-hand",
    ]
