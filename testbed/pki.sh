#!/bin/bash
# Makes the cluster's certificates and kubeconfigs, anew at every start.
# Usage: pki.sh FOLDER SERVER_URL NODE...
. "$(dirname "$0")/lib.sh"

folder=$1 server=$2
shift 2
mkdir -p "$folder"
cd "$folder"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

new_key ca
openssl req -x509 -new -key ca.key -subj "/CN=casskop-testbed" -days 3650 -out ca.crt \
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
clusters: [{name: casskop-testbed, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: casskop-testbed, context: {cluster: casskop-testbed, user: $1}}]
current-context: casskop-testbed
END
}

certificate apiserver "/CN=kube-apiserver" \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:10.250.0.1"
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
