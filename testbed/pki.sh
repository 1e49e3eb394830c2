#!/bin/bash
# Makes the cluster's certificates and kubeconfigs, anew at every start.
# Each cluster has a CA of its own: nothing of one is worth anything at another.
# Usage: pki.sh FOLDER NODE...
. "$(dirname "$0")/lib.sh"

folder=$1
shift
mkdir -p "$folder"
cd "$folder"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

new_key ca
openssl req -x509 -new -key ca.key -subj "/CN=casskop-testbed-$context" -days 3650 -out ca.crt \
    -addext "keyUsage=critical,keyCertSign,digitalSignature"

# certificate FILE SUBJECT [NAMES]
certificate() {
    new_key "$1"
    openssl req -new -key "$1.key" -subj "$2" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" -extfile <(
            echo "extendedKeyUsage=serverAuth,clientAuth"
            if [ -n "${3:-}" ]; then echo "subjectAltName=$3"; fi
        )
}

# kubeconfig FILE: for the certificate of the same name
kubeconfig() {
    cat >"$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: $context, cluster: {server: "https://$node0:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $context-$1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $context, context: {cluster: $context, user: $context-$1}}]
current-context: $context
END
}

certificate apiserver "/CN=kube-apiserver" \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$services_network.1,IP:$node0"
certificate admin "/O=system:masters/CN=admin"
kubeconfig admin
for name in kube-controller-manager kube-scheduler kube-proxy; do
    certificate $name "/CN=system:$name"
    kubeconfig $name
done
for node; do
    certificate "$node" "/O=system:nodes/CN=system:node:$node"
    kubeconfig "$node"
done

# Service account tokens are signed with RSA, which every client library verifies.
openssl genrsa -out service-account.key 2048
openssl rsa -in service-account.key -pubout -out service-account.pub
